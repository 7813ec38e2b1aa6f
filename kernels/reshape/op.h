// The same elements under another shape, without a copy.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y has the shape `shape`. Any dtype. Throws ShapeError if the number of elements changes.
Tensor reshape(const Tensor& x, const Shape& shape);

/// x [N, ...] as [N, D]. Throws ShapeError for a scalar.
Tensor flatten(const Tensor& x);

}  // namespace ito::ops
