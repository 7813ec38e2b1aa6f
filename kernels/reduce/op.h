// Sums, means and maxima over axes.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class ReduceKind { sum, mean, maximum };

/// Reduces over `axes` (negative ones count from the end), which stay as axes of size 1.
/// Accumulates in float (f32, bf16) or double, in an order that depends on the shape alone. Sum
/// over nothing is 0; mean and maximum over nothing throw ShapeError. Equal maxima share the
/// gradient evenly.
Tensor reduce(ReduceKind kind, const Tensor& x, const std::vector<int>& axes);

/// The same for the neighbouring axes [first, last]: one kernel.
Tensor reduce_run(ReduceKind kind, const Tensor& x, int first, int last);

// The same with the reduced axes dropped. Without axes: over everything, to a scalar [].
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
Tensor sum(const Tensor& x, const std::vector<int>& axes);
Tensor mean(const Tensor& x, const std::vector<int>& axes);

/// Sums over the axes along which `shape` was broadcast to x.shape(); the adjoint of broadcast_to.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace ito::ops
