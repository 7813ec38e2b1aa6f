// Images at another size.
#pragma once

#include "kernels/bilinear_resize/params.h"

namespace ito::ops {

/// Bilinear interpolation with aligned corners: the corner pixels of x and y lie on one another.
/// With the hat function h(u) = max(0, 1 - |u|), along each axis of n pixels resized to m,
///   y[r] = sum_i h(r (n - 1) / (m - 1) - i) x[i]     (r = 0 where m = 1).
/// x [N, H, W, C], any floating dtype (bf16 is computed in float); y [N, height, width, C].
/// Throws ShapeError (rank, a size outside 1..32768), DTypeError.
Tensor bilinear_resize(const Tensor& x, int64_t height, int64_t width);

/// The adjoint of bilinear_resize: the gx [N, height, width, C] with <gy, bilinear_resize(x)> =
/// <gx, x> for every x [N, height, width, C]. Each is the other's gradient.
Tensor bilinear_resize_adjoint(const Tensor& gy, int64_t height, int64_t width);

}  // namespace ito::ops
