// Adjoint of conv2d in its image.
#pragma once

#include "kernels/conv2d/op.h"

namespace ito::ops {

struct Conv2dDxAttrs {
  Conv2dAttrs conv;
  Shape x_shape;  ///< [N, H, W, Ci] of the convolution's input
};

/// The gx [N, H, W, Ci] with <gy, conv2d(x, w)> = <gx, x> for every x: the gradient of conv2d in x,
/// and what is called a transposed convolution. gy [N, Ho, Wo, Co], w [Co, Kh, Kw, Ci]. Like conv2d
/// it treats every image on its own. Throws ShapeError, DTypeError.
Tensor conv2d_dx(const Tensor& gy, const Tensor& w, const Shape& x_shape,
                 const Conv2dAttrs& attrs = {});

}  // namespace ito::ops
