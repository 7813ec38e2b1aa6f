#include "sde/objectives/precondition.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {
namespace {

/// values [N] for broadcasting over x [N, ...].
Tensor over(const Tensor& values, const Tensor& x) {
  std::vector<int64_t> shape(static_cast<size_t>(x.rank()), 1);
  shape[0] = x.size(0);
  return ops::reshape(values, Shape(std::span<const int64_t>(shape)));
}

/// Noise levels of improved DDPM's cosine schedule in units of the data, descending (Karras et al.
/// 2022, table 1): u_M = 0, u_{j-1} = sqrt((u_j^2 + 1) / max(a_{j-1} / a_j, 0.001) - 1) with
/// a_j = sin^2(pi j / (2 M (1 + 0.008))).
std::vector<double> cosine_levels(int count) {
  const auto a = [&](int j) {
    const double s = std::sin(0.5 * std::numbers::pi * j / count / 1.008);
    return s * s;
  };
  std::vector<double> u(static_cast<size_t>(count) + 1, 0.0);
  for (int j = count; j > 0; --j) {
    const double next = u[static_cast<size_t>(j)];
    const double ratio = std::max(a(j - 1) / a(j), 0.001);
    u[static_cast<size_t>(j - 1)] = std::sqrt((next * next + 1) / ratio - 1);
  }
  return u;
}

/// M - 1 - argmin_j |u_j - sigma| for each sigma. Waits for the device.
Tensor nearest_levels(const Tensor& sigma, int count) {
  std::vector<double> u = cosine_levels(count);
  u.pop_back();  // the level 0 is no step of the chain
  std::vector<double> labels;
  for (const double s : ops::cast(sigma.detach(), DType::f64).to_vector<double>()) {
    const auto best = std::ranges::min_element(u, {}, [&](double v) { return std::abs(v - s); });
    labels.push_back(static_cast<double>(count - 1 - (best - u.begin())));
  }
  return ops::cast(Tensor::from(labels, sigma.shape()), sigma.dtype()).to(sigma.device());
}

}  // namespace

Tensor Precondition::label(const Tensor& sigma) const {
  const bool exponential = label_use == LabelUse::logarithm;
  switch (kind) {
    case PreconditionKind::edm:
      return exponential ? ops::power(sigma, 0.25) : 0.25 * ops::log(sigma);
    case PreconditionKind::ve:
      return exponential ? 0.5 * sigma : ops::log(0.5 * sigma);
    case PreconditionKind::vp: {
      // sigma^2 = e^{B(t)} - 1 with B = beta_min t + (beta_max - beta_min) t^2 / 2.
      const double slope = beta_max - beta_min;
      const Tensor b = ops::unary(ops::UnaryKind::log1p, ops::square(sigma));
      return 999.0 / slope * (ops::sqrt(2 * slope * b + beta_min * beta_min) - beta_min);
    }
    case PreconditionKind::iddpm:
      return nearest_levels(sigma, levels);
  }
  throw InternalError("no such precondition");
}

Precondition::Scales Precondition::scales(const Tensor& sigma) const {
  const Tensor variance = ops::square(sigma);
  if (kind == PreconditionKind::edm) {
    const double data = sigma_data * sigma_data;
    const Tensor in = ops::rsqrt(variance + data);
    return {-ops::reciprocal(variance + data), sigma_data * sigma * in, in, label(sigma)};
  }
  if (kind == PreconditionKind::ve) {
    return {Tensor(), sigma, Tensor::full(sigma.shape(), 1, sigma.dtype(), sigma.device()),
            label(sigma)};
  }
  return {Tensor(), -sigma, ops::rsqrt(variance + 1.0), label(sigma)};
}

Tensor Precondition::denoise(const NetworkFn& network, const Tensor& x, const Tensor& sigma) const {
  const Scales c = scales(sigma);
  const Tensor correction = over(c.out, x) * network(over(c.in, x) * x, c.label);
  if (!c.slope) return x + correction;
  return over(1.0 + c.slope * ops::square(sigma), x) * x + correction;
}

NetworkFn Precondition::score(NetworkFn network) const {
  return [how = *this, network = std::move(network)](const Tensor& x, const Tensor& sigma) {
    const Scales c = how.scales(sigma);
    const Tensor out = over(c.out / ops::square(sigma), x);
    const Tensor correction = out * network(over(c.in, x) * x, c.label);
    return c.slope ? over(c.slope, x) * x + correction : correction;
  };
}

double Precondition::training_weight(double sigma) const {
  const double variance = sigma * sigma, data = sigma_data * sigma_data;
  return kind == PreconditionKind::edm ? (variance + data) / (variance * data) : 1 / variance;
}

NetworkFn ve_network_for_centered_data(NetworkFn network) {
  return [network = std::move(network)](const Tensor& y, const Tensor& half_sigma) {
    return over(half_sigma, y) * network(0.5 * (y + 1.0), half_sigma);
  };
}

}  // namespace ito::sde
