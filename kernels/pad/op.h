// Zeros before and after one axis.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y has `before` zeros in front of x and `after` behind it along `axis` (a negative one counts
/// from the end). Any dtype; differentiable for floating ones (the adjoint of slice).
/// Throws ShapeError for a negative count.
Tensor pad(const Tensor& x, int axis, int64_t before, int64_t after);

}  // namespace ito::ops
