// What the CPU kernels of group_norm_silu know besides tensors.
#pragma once

#include <cstdint>

#include "engine/random/noise.h"

namespace ito {

struct GroupNormParams {
  int64_t samples = 0;   ///< N
  int64_t pixels = 0;    ///< P: product of the axes between N and C
  int64_t channels = 0;  ///< C
  int64_t groups = 0;
  double eps = 0;
  int activation = 0;                ///< 0 SiLU, 1 identity
  const int64_t* indices = nullptr;  ///< [N]: whose masks the dropout has; null: no dropout
  double drop_rate = 0;
  NoiseKey drop_key;

  int64_t channels_per_group() const { return channels / groups; }
  int64_t group_size() const { return pixels * channels_per_group(); }
};

}  // namespace ito
