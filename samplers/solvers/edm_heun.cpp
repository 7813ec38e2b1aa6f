#include "samplers/solvers/edm_heun.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"

namespace ito::samplers {
namespace {

constexpr Form kX = term(Term::x);

/// A point of the path: its time and rho = sigma / alpha.
struct Point {
  double t, alpha, sigma, rho;
};
Point point(const sde::Sde& sde, double t) {
  const double a = sde.alpha(t), s = sde.sigma(t);
  return {t, a, s, s / a};
}

struct Churned {
  Point at;
  Form x;
};

Churned add_noise(const sde::Sde& sde, const EdmOptions& o, const Point& from) {
  const bool inside = from.rho >= o.churn_min && from.rho <= o.churn_max;
  const double gamma =
      inside ? std::min(o.churn / (o.grid.steps() + 1), std::numbers::sqrt2 - 1) : 0;
  const double most = point(sde, sde.T()).rho;
  const double rho = std::min(from.rho * (1 + gamma), most);
  if (rho <= from.rho) return {from, kX};
  const Point to = point(sde, sde::time_at_ratio(sde, rho));
  const double added = o.churn_noise * std::sqrt((to.rho - from.rho) * (to.rho + from.rho));
  return {to, to.alpha * ((1 / from.alpha) * kX + added * term(Term::noise0))};
}

/// y = x / alpha over rho: y' = y + (rho' - rho^) ((1 - w) d + w d'), d = -sigma s.
SchemeStep step_in_noise(const sde::Sde& sde, double c, const Churned& from, const Point& to) {
  const Point& p = from.at;
  const double h = to.rho - p.rho, w = 1 / (2 * c);
  const Point m = c == 1 ? to : point(sde, sde::time_at_ratio(sde, p.rho + c * h));
  const Form y = (1 / p.alpha) * from.x;
  const Form d = -p.sigma * term(Term::score0);
  const Form inner = m.alpha * (y + c * h * d);
  const Form d2 = -m.sigma * term(Term::score1);
  return {.t = p.t,
          .stages = {{p.t, from.x}, {m.t, inner}},
          .next = to.alpha * (y + h * ((1 - w) * d + w * d2))};
}

/// x over t: x' = x + (u - t^) ((1 - w) d + w d'), d = f x - g^2 s / 2.
SchemeStep step_in_time(const sde::Sde& sde, double c, const Churned& from, const Point& to) {
  const auto slope = [&](double t, const Form& x, Term score) {
    return sde.drift(t) * x - 0.5 * sde.diffusion2(t) * term(score);
  };
  const double t = from.at.t, h = to.t - t, w = 1 / (2 * c), middle = c == 1 ? to.t : t + c * h;
  const Form d = slope(t, from.x, Term::score0);
  const Form inner = from.x + c * h * d;
  const Form d2 = slope(middle, inner, Term::score1);
  return {.t = t,
          .stages = {{t, from.x}, {middle, inner}},
          .next = from.x + h * ((1 - w) * d + w * d2)};
}

}  // namespace

Scheme edm_heun(const sde::Sde& sde, const EdmOptions& o) {
  ITO_CHECK(o.churn >= 0 && o.churn_noise >= 0, ValueError, "churn is not negative",
            kv("churn", o.churn), kv("churn_noise", o.churn_noise));
  ITO_CHECK(o.second_stage > 0 && o.second_stage <= 1, ValueError, "the second stage is in (0, 1]",
            kv("second_stage", o.second_stage));
  const int n = o.grid.steps();
  Scheme scheme{.name = "EDM Heun", .steps = {}, .end = o.grid.t(n)};
  for (int i = 0; i < n; ++i) {
    const Churned from = add_noise(sde, o, point(sde, o.grid.t(i)));
    const Point to = point(sde, o.grid.t(i + 1));
    scheme.steps.push_back(o.variable == FlowVariable::noise
                               ? step_in_noise(sde, o.second_stage, from, to)
                               : step_in_time(sde, o.second_stage, from, to));
  }
  if (o.denoise == Denoise::tweedie) {
    // Euler's step of y from rho^ to 0: y + rho^ sigma s, which is E[x_0 | x^].
    const auto [p, x] = add_noise(sde, o, point(sde, o.grid.t(n)));
    const Form clean = (1 / p.alpha) * x + p.rho * p.sigma * term(Term::score0);
    scheme.steps.push_back({.t = p.t, .stages = {{p.t, x}}, .next = clean});
  }
  return scheme;
}

SampleResult sample_edm_heun(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const EdmOptions& o,
                             const NoiseSource& noise, const Observer& observer) {
  const Denoise rest = o.denoise == Denoise::tweedie ? Denoise::none : o.denoise;
  return run_scheme(score, sde, edm_heun(sde, o), x, samples, rest, noise, observer);
}

}  // namespace ito::samplers
