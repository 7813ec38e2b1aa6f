// Adding to a tensor in place, and overwriting it.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// target += value, for tensors of one shape and any floating dtypes: in float, or double with an
/// f64 among them, rounded once to the target's dtype. So an f32 sum of bf16 terms loses none. The
/// tape adds gradients to their leaves with it. Not differentiable. Throws ShapeError, DTypeError.
void accumulate(const Tensor& target, const Tensor& value);

/// target = value under the same rules: cast into memory that is there.
void assign(const Tensor& target, const Tensor& value);

}  // namespace ito::ops
