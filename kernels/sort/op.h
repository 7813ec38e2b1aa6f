// Rows in ascending order.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

struct Sorted {
  Tensor values;  ///< like x
  Tensor order;   ///< i64 [R, N]: values[r, i] = x[r, order[r, i]]
};

/// Each row of x [R, N] in ascending order. Stable: equal values, 0 and -0 among them, keep their
/// order. NaN comes last. f32, bf16, and f64 on the CPU; on a GPU rows are shorter than 2^31. Not
/// differentiable (gather with `order` is). Throws ShapeError, DTypeError.
Sorted sort(const Tensor& x);

}  // namespace ito::ops
