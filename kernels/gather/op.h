// Rows of a table, picked by index.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[m, ...] = x[index[m], ...], for x [V, ...] and index i64 [M]; y is [M, ...]. Any dtype;
/// differentiable in x for floating ones (the adjoint of scatter_add).
/// Throws ShapeError, DTypeError, and ValueError for an index outside [0, V).
Tensor gather(const Tensor& x, const Tensor& index);

}  // namespace ito::ops
