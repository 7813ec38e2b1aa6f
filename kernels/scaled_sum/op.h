// a x + b y: residual connections with their rescaling, in one pass.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// a x + b y for x, y of one shape and floating dtype. Throws ShapeError, DTypeError.
Tensor scaled_sum(double a, const Tensor& x, double b, const Tensor& y);

}  // namespace ito::ops
