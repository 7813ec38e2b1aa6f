// The same elements under another shape, without a copy.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y has the shape `shape`; one size may be -1 and is then computed. Any dtype.
/// Throws ShapeError if the number of elements changes.
Tensor reshape(const Tensor& x, const std::vector<int64_t>& shape);
Tensor reshape(const Tensor& x, const Shape& shape);

}  // namespace ito::ops
