// Squared distances between the rows of two matrices.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[i, j] = sum_d (a[i, d] - b[j, d])^2 for a [M, D], b [N, D]; y is [M, N].
/// From differences: the expanded square |a|^2 - 2 a.b + |b|^2 cancels for close rows. Terms are
/// added in ascending d by fused multiply-adds, so the bits are the same on every device, and
/// y[i, j] of equal rows is 0. f32 and bf16 give f32; f64 gives f64 (CPU only). Not differentiable.
/// Throws ShapeError, DTypeError.
Tensor squared_distances(const Tensor& a, const Tensor& b);

}  // namespace ito::ops
