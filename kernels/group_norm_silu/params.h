// Sizes that the CPU and the GPU kernels of group_norm_silu share.
#pragma once

#include <cstdint>

namespace ito {

struct GroupNormParams {
  int64_t samples = 0;   ///< N
  int64_t pixels = 0;    ///< P: product of the axes between N and C
  int64_t channels = 0;  ///< C
  int64_t groups = 0;
  double eps = 0;
  int activation = 0;  ///< 0 SiLU, 1 identity

  int64_t channels_per_group() const { return channels / groups; }
  int64_t group_size() const { return pixels * channels_per_group(); }
};

}  // namespace ito
