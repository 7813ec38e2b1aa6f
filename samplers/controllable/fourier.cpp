// Measurements that are diagonal in the Fourier basis: blur and Fourier subsampling.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/matmul/op.h"
#include "kernels/reshape/op.h"
#include "samplers/controllable/measurement.h"

namespace ito::samplers {
namespace {

/// Frequency of row i of the basis, in periods per n pixels: 0, 1, 1, 2, 2, ...
int64_t frequency(int64_t i) { return (i + 1) / 2; }

/// The real orthonormal Fourier basis of n points as rows: the constant, then cosine and sine of
/// each frequency, and for even n the alternating signs.
std::vector<double> fourier_rows(int64_t n) {
  std::vector<double> rows;
  for (int64_t i = 0; i < n; ++i) {
    const bool single = i == 0 || 2 * frequency(i) == n;
    const double size = std::sqrt((single ? 1.0 : 2.0) / static_cast<double>(n));
    for (int64_t j = 0; j < n; ++j) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(frequency(i) * j % n) / static_cast<double>(n);
      rows.push_back(size * (i == 0 || i % 2 == 1 ? std::cos(angle) : std::sin(angle)));
    }
  }
  return rows;
}

/// Images to coefficients [N, H, W, C] and back, along both axes.
class FourierBasis {
 public:
  FourierBasis(int64_t height, int64_t width, const Tensor& like)
      : height_(basis(height, like)), width_(basis(width, like)) {}

  Tensor forward(const Tensor& x) const { return along_both(x, ops::Transpose::no); }
  Tensor inverse(const Tensor& u) const { return along_both(u, ops::Transpose::yes); }

 private:
  static Tensor basis(int64_t n, const Tensor& like) {
    return ops::cast(Tensor::from(fourier_rows(n), {n, n}), like.dtype()).to(like.device());
  }
  Tensor along_both(const Tensor& x, ops::Transpose transpose) const {
    const int64_t n = x.size(0), h = height_.size(0), w = width_.size(0), c = x.size(3);
    ITO_CHECK(x.rank() == 4 && x.size(1) == h && x.size(2) == w, ShapeError,
              "images have the size that the measurement was made for", kv("image", x.shape()),
              kv("H", h), kv("W", w));
    const ops::MatmulAttrs how{.a = transpose};
    const Tensor columns = ops::matmul(height_, ops::reshape(x, {n, h, w * c}), how);
    return ops::reshape(ops::matmul(width_, ops::reshape(columns, {n * h, w, c}), how),
                        {n, h, w, c});
  }

  Tensor height_, width_;
};

/// Factors of the coefficients, [1, H, W, 1].
Tensor factors(const std::vector<double>& list, int64_t height, int64_t width, const Tensor& like) {
  return ops::cast(Tensor::from(list, {1, height, width, 1}), like.dtype()).to(like.device());
}

/// Eigenvalues of the periodic convolution with symmetric taps, for each row of the basis.
std::vector<double> eigenvalues(const std::vector<double>& taps, int64_t n) {
  std::vector<double> list;
  for (int64_t i = 0; i < n; ++i) {
    double sum = taps[0];
    for (size_t m = 1; m < taps.size(); ++m) {
      sum += 2 * taps[m] *
             std::cos(2 * std::numbers::pi * static_cast<double>(frequency(i)) *
                      static_cast<double>(m) / static_cast<double>(n));
    }
    list.push_back(sum);
  }
  return list;
}

}  // namespace

LinearMeasurement blur(const std::vector<double>& taps, double threshold, const Tensor& like) {
  const int64_t height = like.size(1), width = like.size(2);
  ITO_CHECK(!taps.empty() && 2 * static_cast<int64_t>(taps.size()) <= std::min(height, width) + 1,
            ValueError, "taps fit into the image", kv("taps", taps.size()),
            kv("image", like.shape()));
  std::vector<double> values, inverses;
  for (const double a : eigenvalues(taps, height)) {
    for (const double b : eigenvalues(taps, width)) values.push_back(a * b);
  }
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  ITO_CHECK(largest > 0, ValueError, "a blur has taps that are not zero");
  for (const double v : values) inverses.push_back(std::abs(v) > threshold * largest ? 1 / v : 0.0);
  const FourierBasis basis(height, width, like);
  const Tensor scale = factors(values, height, width, like);
  const Tensor inverse = factors(inverses, height, width, like);
  const auto apply = [=](const Tensor& x) { return basis.inverse(basis.forward(x) * scale); };
  const auto solve = [=](const Tensor& y) { return basis.inverse(basis.forward(y) * inverse); };
  return {apply, solve, apply, LinearMeasurement::Rows::general};
}

std::vector<double> gaussian_taps(double sigma) {
  ITO_CHECK(sigma > 0, ValueError, "a Gaussian has a positive width", kv("sigma", sigma));
  std::vector<double> taps;
  double sum = 0;
  for (int m = 0; m <= 3 * sigma; ++m) {
    taps.push_back(std::exp(-0.5 * m * m / (sigma * sigma)));
    sum += m == 0 ? taps.back() : 2 * taps.back();
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

LinearMeasurement fourier_subsampling(const Tensor& mask) {
  ITO_CHECK(mask.rank() == 2, ShapeError, "the mask is [H, W]", kv("mask", mask.shape()));
  const int64_t height = mask.size(0), width = mask.size(1);
  const FourierBasis basis(height, width, mask);
  const Tensor known = ops::reshape(mask, {1, height, width, 1});
  const auto apply = [=](const Tensor& x) { return basis.forward(x) * known; };
  const auto adjoint = [=](const Tensor& y) { return basis.inverse(y * known); };
  return {apply, adjoint, adjoint, LinearMeasurement::Rows::orthonormal};
}

}  // namespace ito::samplers
