// Sizes of a convolution, shared by conv2d, conv2d_dx and conv2d_dw on every device.
#pragma once

#include <array>
#include <cstdint>

#include "engine/core/shape.h"
#include "kernels/conv2d/op.h"

namespace ito {

/// x [n, h, w, ci], weights [co, kh, kw, ci], y [n, ho, wo, co].
struct Conv2dParams {
  int64_t n = 0, h = 0, w = 0, ci = 0;
  int64_t ho = 0, wo = 0, co = 0;
  int64_t kh = 0, kw = 0;
  int64_t stride = 1, dilation = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;

  int64_t x_image() const { return h * w * ci; }    ///< elements of one image of x
  int64_t y_image() const { return ho * wo * co; }  ///< elements of one image of y
  int64_t weights() const { return co * kh * kw * ci; }
  /// Everything that the others follow from: what a plan or a choice for p is remembered by.
  using Sizes = std::array<int64_t, 13>;
  Sizes sizes() const {
    return {n, h, w, ci, co, kh, kw, stride, dilation, pad_top, pad_left, pad_bottom, pad_right};
  }
  /// Multiplications and additions for one image.
  double flops() const {
    return 2.0 * static_cast<double>(ho * wo) * static_cast<double>(weights());
  }
};

/// Throws ShapeError unless x, w and the attributes fit together.
Conv2dParams conv2d_params(const Shape& x, const Shape& w, const ops::Conv2dAttrs& attrs);

/// [N, Ho, Wo, Co] of that convolution.
inline Shape output_shape(const Conv2dParams& p) { return {p.n, p.ho, p.wo, p.co}; }

}  // namespace ito
