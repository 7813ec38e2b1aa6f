#include "models/layers/variance_norm.h"

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {
namespace {

constexpr double kEps = 1e-5;

Tensor mean_over_pixels(const Tensor& x) {
  return ops::reduce(ops::ReduceKind::mean, x, {1, 2});  // [N, 1, 1, C]
}

}  // namespace

VarianceNorm::VarianceNorm(Init& init, int channels) {
  alpha = init.normal({channels}, 0.02, 1);
}

Tensor VarianceNorm::operator()(const Tensor& x) const {
  const auto pixels = static_cast<double>(x.size(1) * x.size(2));
  ITO_CHECK(pixels >= 2, ShapeError, "the variance of a single pixel", kv("x", x.shape()));
  // Rounding the mean to bf16 would enter the variance.
  const Tensor wide = x.dtype() == DType::bf16 ? ops::cast(x, DType::f32) : x;
  const Tensor squares = ops::square(wide - mean_over_pixels(wide));
  const Tensor variance = (pixels / (pixels - 1)) * mean_over_pixels(squares);  // [N, 1, 1, C]
  return x * (alpha * ops::cast(ops::rsqrt(variance + kEps), x.dtype()));
}

void VarianceNorm::list(ParameterList& list) { list.add("alpha", "alpha", alpha); }

}  // namespace ito::nn
