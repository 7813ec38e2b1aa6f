// A range of one axis.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y = x[..., begin:end, ...] along `axis` (a negative one counts from the end). Any dtype;
/// differentiable for floating ones (the adjoint of pad). A copy, as tensors are dense.
/// Throws ShapeError unless 0 <= begin <= end <= size of the axis.
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end);

}  // namespace ito::ops
