#pragma once

#include "engine/autograd/op_info.h"

namespace ito {

/// Softmax of each of `rows` rows of n values.
void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const float* x, float* y);
void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const BFloat16* x, BFloat16* y);
void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const double* x, double* y);

}  // namespace ito
