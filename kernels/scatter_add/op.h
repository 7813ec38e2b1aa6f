// Rows added up by index.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[v, ...] = sum of updates[m, ...] over the m with index[m] = v, in rising order of m, for
/// updates [M, ...] (floating) and index i64 [M]; y is [rows, ...], zero where no index points.
/// Accumulates in float (f32, bf16) or double; deterministic; the adjoint of gather.
/// Throws ShapeError, DTypeError, and ValueError for an index outside [0, rows).
Tensor scatter_add(const Tensor& updates, const Tensor& index, int64_t rows);

}  // namespace ito::ops
