// Repeats pixels.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[n, h, w, c] = x[n, h / k, w / k, c] (integer division), for x [N, H, W, C], any floating
/// dtype; y is [N, kH, kW, C]. k^2 mean_pool is its adjoint. Throws ShapeError (rank, k < 1),
/// DTypeError.
Tensor upsample_nearest(const Tensor& x, int64_t k);

}  // namespace ito::ops
