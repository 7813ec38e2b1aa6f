// Softmax over the last axis.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y_i = exp(x_i - max x) / sum_j exp(x_j - max x) over the last axis of x [..., n], any floating
/// dtype (bf16 is computed in float). A row of only -inf gives zeros; NaN or +inf anywhere in a row
/// makes the row NaN. Throws ShapeError for a scalar, DTypeError.
Tensor softmax(const Tensor& x);

}  // namespace ito::ops
