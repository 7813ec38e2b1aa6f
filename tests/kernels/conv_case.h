// Shapes of a convolution under test.
#pragma once

#include "kernels/conv2d/params.h"

namespace ito::testing {

struct ConvCase {
  Shape x, w;
  ops::Conv2dAttrs attrs;
};

/// 3 x 3 taps that keep the size of the image.
constexpr ops::Conv2dAttrs kSame3{1, 1, 1, 1, 1, 1};

inline Shape shape_of_y(const ConvCase& c) {
  return output_shape(conv2d_params(c.x, c.w, c.attrs));
}

}  // namespace ito::testing
