#pragma once

#include "engine/autograd/op_info.h"

namespace ito {

/// y [m, n] from a [m, depth] and b [n, depth].
void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const float* a,
                           const float* b, float* y);
void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const BFloat16* a,
                           const BFloat16* b, float* y);
void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const double* a,
                           const double* b, double* y);

}  // namespace ito
