// Means over blocks of pixels.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[n, h, w, c] = mean of x[n, kh + i, kw + j, c] over 0 <= i, j < k, for x [N, H, W, C], any
/// floating dtype (bf16 is summed in float); y is [N, H / k, W / k, C]. upsample_nearest / k^2 is
/// its adjoint. Throws ShapeError (rank, k < 1, H or W not divisible by k), DTypeError.
Tensor mean_pool(const Tensor& x, int64_t k);

}  // namespace ito::ops
