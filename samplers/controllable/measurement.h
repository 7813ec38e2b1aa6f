// Linear measurements y = A x of images: what is known in an inverse problem (Song et al. 2021,
// appendix I; spec 8.3 to 8.5).
#pragma once

#include <functional>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::samplers {

/// y = A x for x [N, H, W, C]; y [N, ...]. Every function acts on each sample by itself and works
/// on the device of its argument. Any callables will do, as long as A A+ A = A and A+ A is
/// symmetric; `adjoint` (<A x, y> = <x, A' y>) is needed for guidance alone.
struct LinearMeasurement {
  using Map = std::function<Tensor(const Tensor&)>;

  /// `orthonormal`: A A' = I on the range of A, so A+ = A', and noise in measurement space is
  /// standard. `general`: noise of a measurement is A z with z in image space.
  enum class Rows : uint8_t { orthonormal, general };

  Map apply;           ///< A: image -> measurement
  Map pseudo_inverse;  ///< A+: measurement -> image, the solution of least norm
  Map adjoint;         ///< A'
  Rows rows = Rows::general;
};

/// The pixels where `mask` is 1; the others are 0 in y, and never read. `mask` holds 0 and 1 and
/// broadcasts to the images: [N, H, W, C], [1, H, W, 1], ...
LinearMeasurement inpainting(const Tensor& mask);

/// mask [1, H, W, 1] of `like` [N, H, W, C]: 0 inside the box of height x width pixels at (top,
/// left), which is to be filled in, 1 outside. Throws ValueError unless the box is in the image.
Tensor box_mask(const Tensor& like, int64_t top, int64_t left, int64_t height, int64_t width);

/// mask [1, H, W, 1]: each pixel is known (1) with probability `known`, by its own draw.
Tensor random_mask(const Tensor& like, double known, NoiseKey key);

/// The orthogonal change of colours: columns (1, 1, 1)/sqrt 3, (-2, 1, 1)/sqrt 6, (0, 1, -1)/sqrt 2
/// (spec 8.4), [3, 3] of the dtype and device of `like`. New colours are x M.
Tensor colour_basis(const Tensor& like);

/// Colorization: y [N, H, W, 1] is the first of the new colours, sqrt 3 times the grey value.
/// Throws ShapeError where an image has not three channels. `like` gives dtype and device.
LinearMeasurement colorization(const Tensor& like);

/// Super-resolution: y [N, H / k, W / k, C] holds the means of blocks of k x k pixels; A+ repeats
/// them. Throws ShapeError where k does not divide H and W.
LinearMeasurement super_resolution(int64_t k);

/// Blur with periodic borders by the symmetric kernel h along both axes: taps[m] is the weight of
/// the offsets +m and -m. Diagonal in the real Fourier basis; singular values of at most
/// `threshold` times the largest are not inverted. `like` [N, H, W, C] gives size, dtype and
/// device. Throws ValueError for taps that do not fit into the image or are all zero.
LinearMeasurement blur(const std::vector<double>& taps, double threshold, const Tensor& like);

/// taps for `blur`: a Gaussian of standard deviation `sigma` pixels, cut beyond 3 sigma, sum 1.
std::vector<double> gaussian_taps(double sigma);

/// Compressed sensing: the coefficients in the real orthonormal Fourier basis of both axes where
/// `mask` [H, W] is 1 (0 elsewhere); coefficient (i, j) has the frequencies (i + 1) / 2 and
/// (j + 1) / 2. The mask gives size, dtype and device.
LinearMeasurement fourier_subsampling(const Tensor& mask);

}  // namespace ito::samplers
