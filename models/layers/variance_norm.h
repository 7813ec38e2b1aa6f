// The normalisation of NCSNv2 that leaves the mean alone.
#pragma once

#include "models/init.h"
#include "models/parameter.h"

namespace ito::nn {

/// y_c = alpha_c x_c / sqrt(v_c + eps), with v_c the unbiased variance of channel c over the pixels
/// of an image and eps = 1e-5 (VarianceNorm2d of NCSNv2, Song & Ermon 2020; spec 3.7).
struct VarianceNorm {
  Tensor alpha;  // [C]

  VarianceNorm() = default;
  VarianceNorm(Init& init, int channels);
  /// x [N, H, W, C] of alpha's dtype. Throws ShapeError for images of a single pixel.
  Tensor operator()(const Tensor& x) const;
  void list(ParameterList& list);
};

}  // namespace ito::nn
