// Maxima over windows of pixels.
#pragma once

#include "kernels/max_pool/params.h"

namespace ito::ops {

/// y[n, r, s, c] = x[n, i, j, c] at the pixel (i, j) of window (r, s) where keys[n, i, j, c] is
/// largest; the window covers rows r stride - pad to r stride - pad + kernel - 1 (columns likewise)
/// as far as they exist. Without keys, x itself: the maximum. Of equal keys the first in row-major
/// order counts; a NaN counts as largest, the last one if there are several. x and keys [N, H, W,
/// C] of one floating dtype; y [N, Ho, Wo, C] with Ho = floor((H + 2 pad - kernel) / stride) + 1.
/// Differentiable in x any number of times (max_pool_dx is the adjoint); keys have no gradient.
/// Throws ShapeError (rank, sizes, kernel outside 1..15, stride < 1, 2 pad > kernel), DTypeError.
Tensor max_pool(const Tensor& x, const MaxPoolAttrs& attrs);
Tensor max_pool(const Tensor& x, const Tensor& keys, const MaxPoolAttrs& attrs);

}  // namespace ito::ops
