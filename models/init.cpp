#include "models/init.h"

#include <cmath>

#include "engine/random/noise.h"

namespace ito::nn {

Tensor Init::uniform(const Shape& shape, double bound) {
  Tensor t = Tensor::empty(shape, DType::f32, device_);
  if (device_ == kMeta) return t;
  fill_uniform(t.span<float>(), {.seed = seed_, .purpose = Purpose::init}, next_++);
  for (float& v : t.span<float>()) v = static_cast<float>(bound) * (2 * v - 1);
  return t;
}

Tensor Init::variance_scaling(const Shape& shape, double scale) {
  const auto numel = static_cast<double>(shape.numel());
  const double fan_in = numel / static_cast<double>(shape[0]);
  const double fan_out = numel / static_cast<double>(shape[-1]);
  const double variance = (scale == 0 ? 1e-10 : scale) / (0.5 * (fan_in + fan_out));
  return uniform(shape, std::sqrt(3 * variance));
}

Tensor Init::normal(const Shape& shape, double std, double mean) {
  Tensor t = Tensor::empty(shape, DType::f32, device_);
  if (device_ == kMeta) return t;
  fill_normal(t.span<float>(), {.seed = seed_, .purpose = Purpose::init}, next_++);
  for (float& v : t.span<float>()) v = static_cast<float>(mean) + static_cast<float>(std) * v;
  return t;
}

Tensor Init::constant(const Shape& shape, double value) const {
  return Tensor::full(shape, value, DType::f32, device_);
}

}  // namespace ito::nn
