// Convolution of images.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// Step between outputs, distance between taps, zeros around the input; the last two in pixels.
struct Conv2dAttrs {
  int stride = 1;
  int dilation = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

/// y[n, r, s, o] = bias[o] + sum over i, j, c of w[o, i, j, c] x[n, r*stride - pad_top +
/// i*dilation, s*stride - pad_left + j*dilation, c], with zeros outside x (a correlation, as in
/// every network library). x [N, H, W, Ci], w [Co, Kh, Kw, Ci], bias [Co] or undefined; y [N, Ho,
/// Wo, Co] with Ho = floor((H + pad_top + pad_bottom - dilation (Kh - 1) - 1) / stride) + 1. f32,
/// bf16 or f64, one dtype; sums in float or double. The result for one image does not depend on the
/// others, bit for bit. Throws ShapeError, DTypeError.
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dAttrs& attrs = {});

}  // namespace ito::ops
