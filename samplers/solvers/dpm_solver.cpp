#include "samplers/solvers/dpm_solver.h"

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"
#include "kernels/binary/op.h"
#include "kernels/reshape/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/slice/op.h"
#include "kernels/sort/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {

Tensor dynamic_threshold(const Tensor& estimate, double quantile) {
  const Tensor sorted = ops::sort(ops::unary(ops::UnaryKind::abs, ops::flatten(estimate))).values;
  const double place = quantile * static_cast<double>(sorted.size(1) - 1);
  const auto below = static_cast<int64_t>(place);
  const int64_t above = std::min(below + 1, sorted.size(1) - 1);
  const auto entry = [&](int64_t i) { return ops::slice(sorted, 1, i, i + 1); };
  const double part = place - static_cast<double>(below);
  const Tensor at_quantile = ops::scaled_sum(1 - part, entry(below), part, entry(above));
  const Tensor one = ops::linear_map(at_quantile, 0, 1);
  const Tensor s = sde::over_samples(ops::maximum(at_quantile, one), estimate);
  return ops::maximum(ops::minimum(estimate, s), -s) / s;
}

Scheme dpm_solver(const sde::Sde& sde, const DpmOptions& o) {
  ITO_CHECK(o.threshold >= 0 && o.threshold <= 1, ValueError, "a quantile is between 0 and 1",
            kv("threshold", o.threshold));
  const int n = o.grid.steps();
  Scheme scheme{.name = "DPM-Solver++", .steps = {}, .end = o.grid.t(n)};
  const auto lambda = [&](double t) { return std::log(sde.alpha(t) / sde.sigma(t)); };
  double h_before = 0;
  for (int i = 0; i < n; ++i) {
    const double t = o.grid.t(i), u = o.grid.t(i + 1);
    ITO_CHECK(sde.sigma(u) > 0, ValueError, "DPM-Solver ends before the noise does", kv("t", u));
    const double h = lambda(u) - lambda(t), sigma = sde.sigma(t);
    const Form x = term(Term::x);
    const Form x0 = (1 / sde.alpha(t)) * (x + sigma * sigma * term(Term::score0));
    Form d = term(Term::estimate);
    const bool last_of_order_one = o.last == LastStep::first_order && i == n - 1;
    if (o.order == DpmOrder::second_multistep && i > 0 && !last_of_order_one) {
      const double c = h / (2 * h_before);  // 1 / (2r)
      d = (1 + c) * term(Term::estimate) - c * term(Term::previous);
    }
    const Form next = (sde.sigma(u) / sigma) * x - sde.alpha(u) * std::expm1(-h) * d;
    scheme.steps.push_back({.t = t, .stages = {{t, x}}, .estimate = x0, .next = next});
    h_before = h;
  }
  if (o.threshold > 0) {
    scheme.limit = [q = o.threshold, centered = sde.centered_data()](const Tensor& x0) {
      if (centered) return dynamic_threshold(x0, q);
      return 0.5 * dynamic_threshold(2.0 * x0 - 1.0, q) + 0.5;
    };
  }
  return scheme;
}

SampleResult sample_dpm_solver(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                               const std::vector<int64_t>& samples, const DpmOptions& o,
                               const NoiseSource& noise, const Observer& observer) {
  return run_scheme(score, sde, dpm_solver(sde, o), x, samples, o.denoise, noise, observer);
}

}  // namespace ito::samplers
