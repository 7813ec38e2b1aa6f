#include "models/refinenet/instance_norm_plus.h"

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/concat/op.h"
#include "kernels/gather/op.h"
#include "kernels/group_norm_silu/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {
namespace {

constexpr double kEps = 1e-5;

Tensor near_one(Init& init, const Shape& shape) { return init.normal(shape, 0.02, 1); }

/// The mean over some axes, which stay as axes of size 1.
Tensor mean_over(const Tensor& x, const std::vector<int>& axes) {
  return ops::reduce(ops::ReduceKind::mean, x, axes);
}

/// The means of the channels [N, 1, 1, C], standardised over the channels.
Tensor standardised(const Tensor& means) {
  const auto channels = static_cast<double>(means.size(3));
  const Tensor d = means - mean_over(means, {3});
  const Tensor variance = (channels / (channels - 1)) * mean_over(ops::square(d), {3});
  return d * ops::rsqrt(variance + kEps);
}

}  // namespace

InstanceNormPlus::InstanceNormPlus(Init& init, int channels, int levels) {
  if (levels == 0) {
    alpha = near_one(init, {channels});
    gamma = near_one(init, {channels});
    beta = init.constant({channels}, 0);
    return;
  }
  table = ops::concat(
      {near_one(init, {levels, 2 * channels}), init.constant({levels, channels}, 0)}, -1);
}

Tensor InstanceNormPlus::operator()(const Tensor& x, const Tensor& level) const {
  const int64_t n = x.size(0), c = x.size(3);
  // Rounding the means to bf16 would drown their differences.
  const Tensor wide = x.dtype() == DType::bf16 ? ops::cast(x, DType::f32) : x;
  const Tensor means = mean_over(wide, {1, 2});  // [N, 1, 1, C]
  const Tensor between = standardised(means);    // [N, 1, 1, C]
  if (!table) {
    const Tensor within = ops::group_norm_silu(
        x, gamma, beta,
        {.groups = static_cast<int>(c), .eps = kEps, .activation = ops::NormActivation::identity});
    return within + gamma * alpha * ops::cast(between, x.dtype());
  }
  const Tensor row = ops::cast(ops::gather(table, level), wide.dtype());  // [N, 3C]
  const auto part = [&](int64_t i) {
    return ops::reshape(ops::slice(row, 1, i * c, (i + 1) * c), Shape{n, 1, 1, c});
  };
  const Tensor g = part(0), d = wide - means;
  const Tensor scale = g * ops::rsqrt(mean_over(ops::square(d), {1, 2}) + kEps);
  return ops::cast(d * scale + (g * part(1) * between + part(2)), x.dtype());
}

void InstanceNormPlus::list(ParameterList& list) {
  if (table) return list.add("table", "embed.weight", table);
  list.add("alpha", "alpha", alpha);
  list.add("gamma", "gamma", gamma);
  list.add("beta", "beta", beta);
}

}  // namespace ito::nn
