// Resampling of images with a short filter: upfirdn2d and the rules built on it.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace ito::ops {

/// A separable filter with its resampling. The 2-D kernel is outer(taps, taps) gain / (sum taps)^2.
struct FirAttrs {
  std::vector<double> taps;  ///< K >= 1 of them, with a sum other than 0
  int up = 1, down = 1;
  int64_t pad_y0 = 0, pad_y1 = 0;  ///< zeros above and below; negative ones crop
  int64_t pad_x0 = 0, pad_x1 = 0;  ///< the same on the left and on the right
  double gain = 1;                 ///< at least 0
};

/// Per channel and axis of x [N, H, W, C]: put up - 1 zeros after every sample, pad with zeros (or
/// crop), convolve with the taps (a true convolution: the taps are flipped), keep every down-th
/// sample. With K taps r, scaled to the gain, an axis of n samples becomes
///   y[j] = sum_i x[i] r[down j - up i + K - 1 - pad0],
///   0 <= j <= floor((up n + pad0 + pad1 - K) / down)
/// (upfirdn2d of StyleGAN2, Karras et al. 2020, as used by Song et al. 2021, appendix H).
/// Any floating dtype; bf16 is computed in float. Its adjoint is the same op with up and down
/// exchanged. Throws ShapeError, DTypeError, ValueError.
Tensor fir_resample(const Tensor& x, const FirAttrs& attrs);

/// Twice the height and width; the gain of 4 keeps the mean.
FirAttrs upsampling(const std::vector<double>& taps);
/// Half the height and width.
FirAttrs downsampling(const std::vector<double>& taps);

/// x resampled by upsampling(taps). For taps (1, 3, 3, 1), along an axis:
/// y[2i] = (x[i-1] + 3 x[i]) / 4, y[2i+1] = (3 x[i] + x[i+1]) / 4, with zeros outside of the image.
Tensor fir_upsample(const Tensor& x, const std::vector<double>& taps);
/// x resampled by downsampling(taps). For taps (1, 3, 3, 1), along an axis:
/// y[j] = (x[2j-1] + 3 x[2j] + 3 x[2j+1] + x[2j+2]) / 8, with zeros outside of the image.
Tensor fir_downsample(const Tensor& x, const std::vector<double>& taps);

}  // namespace ito::ops
