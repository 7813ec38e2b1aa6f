// Adding to a tensor in place.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// target += value, for tensors of one shape and one floating dtype, in float (double for f64) with
/// one rounding. The tape adds gradients to their leaves with it. Not differentiable.
/// Throws ShapeError, DTypeError.
void accumulate(const Tensor& target, const Tensor& value);

}  // namespace ito::ops
