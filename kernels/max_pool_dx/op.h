// Adjoint of max_pool.
#pragma once

#include "kernels/max_pool/params.h"

namespace ito::ops {

/// The gx [N, H, W, C] with <gy, max_pool(x, keys)> = <gx, x> for every x: the gradient of
/// max_pool. Each pixel gets the sum of gy over those windows whose largest key is its own. gy [N,
/// Ho, Wo, C], keys [N, H, W, C], one floating dtype; bf16 is summed in float. Its gradient in gy
/// is max_pool; keys have none. Throws ShapeError, DTypeError.
Tensor max_pool_dx(const Tensor& gy, const Tensor& keys, const MaxPoolAttrs& attrs);

}  // namespace ito::ops
