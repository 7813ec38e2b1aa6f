// Tensors joined along one axis.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// The tensors one after the other along `axis` (a negative one counts from the end). Any dtype,
/// the same for all; differentiable for floating ones (the gradient is cut into slices).
/// Throws ShapeError if the other axes differ or nothing is given, DTypeError.
Tensor concat(const Tensors& tensors, int axis);

}  // namespace ito::ops
