#include "samplers/controllable/measurement.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/matmul/op.h"
#include "kernels/mean_pool/op.h"
#include "kernels/unary/op.h"
#include "kernels/upsample_nearest/op.h"

namespace ito::samplers {
namespace {

Tensor constant(const std::vector<double>& values, const Shape& shape, const Tensor& like) {
  return ops::cast(Tensor::from(values, shape), like.dtype()).to(like.device());
}

Shape pixels_of(const Tensor& image) {
  ITO_CHECK(image.rank() == 4, ShapeError, "images are [N, H, W, C]", kv("image", image.shape()));
  return {1, image.size(1), image.size(2), 1};
}

}  // namespace

LinearMeasurement inpainting(const Tensor& mask) {
  const auto masked = [=](const Tensor& x) { return x * mask; };
  return {masked, masked, masked, LinearMeasurement::Rows::orthonormal};
}

Tensor box_mask(const Tensor& like, int64_t top, int64_t left, int64_t height, int64_t width) {
  const Shape shape = pixels_of(like);
  ITO_CHECK(top >= 0 && left >= 0 && height >= 0 && width >= 0 && top + height <= shape[1] &&
                left + width <= shape[2],
            ValueError, "a box is inside the image", kv("top", top), kv("left", left),
            kv("height", height), kv("width", width), kv("image", like.shape()));
  std::vector<double> known(static_cast<size_t>(shape.numel()), 1.0);
  for (int64_t h = top; h < top + height; ++h) {
    for (int64_t w = left; w < left + width; ++w) known[static_cast<size_t>(h * shape[2] + w)] = 0;
  }
  return constant(known, shape, like);
}

Tensor random_mask(const Tensor& like, double known, NoiseKey key) {
  const Shape shape = pixels_of(like);
  std::vector<double> mask;
  for (int64_t i = 0; i < shape.numel(); ++i)
    mask.push_back(uniform_at(key, 0, static_cast<uint32_t>(i)) < known ? 1 : 0);
  return constant(mask, shape, like);
}

Tensor colour_basis(const Tensor& like) {
  const double a = 1 / std::sqrt(3.0), b = 1 / std::sqrt(6.0), c = 1 / std::sqrt(2.0);
  return constant({a, -2 * b, 0,  //
                   a, b, c,       //
                   a, b, -c},
                  {3, 3}, like);
}

LinearMeasurement colorization(const Tensor& like) {
  const std::vector<double> grey(3, 1 / std::sqrt(3.0));
  const Tensor row = constant(grey, {1, 3}, like), column = constant(grey, {3, 1}, like);
  const auto apply = [=](const Tensor& x) { return ops::linear(x, row, {}); };
  const auto adjoint = [=](const Tensor& y) { return ops::linear(y, column, {}); };
  return {apply, adjoint, adjoint, LinearMeasurement::Rows::orthonormal};
}

LinearMeasurement super_resolution(int64_t k) {
  const auto apply = [=](const Tensor& x) { return ops::mean_pool(x, k); };
  const auto repeat = [=](const Tensor& y) { return ops::upsample_nearest(y, k); };
  const auto adjoint = [=](const Tensor& y) {
    return ops::upsample_nearest(y, k) / static_cast<double>(k * k);
  };
  return {apply, repeat, adjoint, LinearMeasurement::Rows::general};
}

}  // namespace ito::samplers
