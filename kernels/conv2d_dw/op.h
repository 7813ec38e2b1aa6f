// Adjoint of conv2d in its weights.
#pragma once

#include "kernels/conv2d/op.h"

namespace ito::ops {

struct Conv2dDwAttrs {
  Conv2dAttrs conv;
  Shape w_shape;  ///< [Co, Kh, Kw, Ci]
};

/// The gw [Co, Kh, Kw, Ci] with <gy, conv2d(x, w)> = <gw, w> for every w: the gradient of conv2d in
/// w. x [N, H, W, Ci], gy [N, Ho, Wo, Co]. Sums over the images in an order that depends on the
/// shapes alone, in float (f32, bf16) or double. Throws ShapeError, DTypeError.
Tensor conv2d_dw(const Tensor& x, const Tensor& gy, const Shape& w_shape,
                 const Conv2dAttrs& attrs = {});

}  // namespace ito::ops
