#include "samplers/latent/latent.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/autograd/autograd.h"
#include "kernels/cast/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {
namespace {

constexpr double kAlmostParallel = 1e-4;

std::vector<double> on_host(const Tensor& t) {
  return ops::cast(t.detach().to(kCpu), DType::f64).to_vector<double>();
}

double pearson(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ma += a[i] / n;
    mb += b[i] / n;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
    ab += (a[i] - ma) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

double mean_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

}  // namespace

SampleResult encode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                    const FlowOptions& o, const Observer& observer) {
  const NoGradScope off;
  const double eps = o.eps > 0 ? o.eps : sde.sampling_eps();
  int step = 0;
  const OdeResult flow = integrate(
      probability_flow_rhs(score, sde), eps, sde.T(), x, o.solver, [&](const OdeView& view) {
        return !observer || observer({step++, 0, view.t.front(), view.y, view.y}) == Verdict::go_on;
      });
  check_finite(flow.y);
  return {.x = flow.y, .evaluations = flow.most_evaluations(), .finished = flow.finished};
}

SampleResult decode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& z,
                    FlowOptions options, const Observer& observer) {
  options.denoise = Denoise::none;
  return sample_ode(score, sde, z, options, observer);
}

std::vector<double> root_mean_square_difference(const Tensor& a, const Tensor& b) {
  ITO_CHECK(a.shape() == b.shape() && a.rank() > 0 && a.size(0) > 0, ShapeError,
            "two batches of one shape", kv("a", a.shape()), kv("b", b.shape()));
  const std::vector<double> va = on_host(a), vb = on_host(b);
  const size_t n = static_cast<size_t>(a.size(0)), d = va.size() / n;
  std::vector<double> list(n, 0.0);
  for (size_t i = 0; i < va.size(); ++i) list[i / d] += (va[i] - vb[i]) * (va[i] - vb[i]);
  for (double& v : list) v = std::sqrt(v / static_cast<double>(d));
  return list;
}

Tensor spherical_interpolation(const Tensor& z1, const Tensor& z2, const std::vector<double>& u) {
  ITO_CHECK(z1.shape() == z2.shape(), ShapeError, "codes of one shape", kv("z1", z1.shape()),
            kv("z2", z2.shape()));
  const std::vector<double> a = on_host(z1), b = on_host(z2);
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    ab += a[i] * b[i];
  }
  const double phi = std::acos(std::clamp(ab / std::sqrt(aa * bb), -1.0, 1.0));
  const bool linear = !(phi > kAlmostParallel && phi < std::numbers::pi - kAlmostParallel);
  std::vector<float> values;
  for (const double w : u) {
    const double wa = linear ? 1 - w : std::sin((1 - w) * phi) / std::sin(phi);
    const double wb = linear ? w : std::sin(w * phi) / std::sin(phi);
    for (size_t i = 0; i < a.size(); ++i) {
      values.push_back(static_cast<float>(wa * a[i] + wb * b[i]));
    }
  }
  std::vector<int64_t> shape{static_cast<int64_t>(u.size())};
  for (int axis = 0; axis < z1.rank(); ++axis) shape.push_back(z1.size(axis));
  return Tensor::from(values, Shape(std::span<const int64_t>(shape)), z1.device());
}

Tensor at_temperature(const Tensor& z, double tau) { return tau * z; }

CodeComparison compare_codes(const Tensor& a, const Tensor& b) {
  ITO_CHECK(a.shape() == b.shape() && a.rank() > 0 && a.size(0) >= 2, ShapeError,
            "codes of the same two or more images", kv("a", a.shape()), kv("b", b.shape()));
  const std::vector<double> va = on_host(a), vb = on_host(b);
  const size_t d = va.size() / static_cast<size_t>(a.size(0));
  std::vector<double> shuffled(vb.begin() + static_cast<std::ptrdiff_t>(d), vb.end());
  shuffled.insert(shuffled.end(), vb.begin(), vb.begin() + static_cast<std::ptrdiff_t>(d));
  return {.correlation = pearson(va, vb),
          .difference = mean_difference(va, vb),
          .shuffled_correlation = pearson(va, shuffled),
          .shuffled_difference = mean_difference(va, shuffled)};
}

}  // namespace ito::samplers
