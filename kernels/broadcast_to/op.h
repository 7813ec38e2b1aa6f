// Repeats a tensor along axes of size 1.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y has `shape`, to which x must broadcast (NumPy rules). Floating dtypes. Throws ShapeError.
Tensor broadcast_to(const Tensor& x, const Shape& shape);

}  // namespace ito::ops
