// Sizes that the CPU and the GPU kernels of attention share.
#pragma once

#include <cstdint>

namespace ito {

struct AttentionParams {
  int64_t batch = 0, queries = 0, keys = 0;
  int64_t depth = 0;  ///< D
  double scale = 1;
};

}  // namespace ito
