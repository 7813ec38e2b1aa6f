#include "samplers/solvers/stochastic_runge_kutta.h"

#include <cmath>
#include <numbers>

namespace ito::samplers {
namespace {

constexpr Form kX = term(Term::x), kNoise = term(Term::noise0), kOtherNoise = term(Term::noise1);

/// a = -f x + g^2 s at time t.
Form reverse_drift(const sde::Sde& sde, double t, const Form& x, Term score) {
  return -sde.drift(t) * x + sde.diffusion2(t) * term(score);
}

double g(const sde::Sde& sde, double t) { return std::sqrt(sde.diffusion2(t)); }

}  // namespace

Scheme stochastic_heun(const sde::Sde& sde, const sde::TimeGrid& grid) {
  Scheme scheme{.name = "stochastic Heun", .steps = {}, .end = grid.t(grid.steps())};
  for (int i = 0; i < grid.steps(); ++i) {
    const double t = grid.t(i), u = grid.t(i + 1), h = t - u, root = std::sqrt(h);
    const Form a = reverse_drift(sde, t, kX, Term::score0);
    const Form predicted = kX + h * a + g(sde, t) * root * kNoise;
    const Form b = reverse_drift(sde, u, predicted, Term::score1);
    const Form next = kX + 0.5 * h * (a + b) + 0.5 * (g(sde, t) + g(sde, u)) * root * kNoise;
    scheme.steps.push_back({.t = t, .stages = {{t, kX}, {u, predicted}}, .next = next});
  }
  return scheme;
}

Scheme sra1(const sde::Sde& sde, const sde::TimeGrid& grid) {
  Scheme scheme{.name = "SRA1", .steps = {}, .end = grid.t(grid.steps())};
  for (int i = 0; i < grid.steps(); ++i) {
    const double t = grid.t(i), u = grid.t(i + 1), h = t - u, root = std::sqrt(h);
    const double later = t - 0.75 * h;
    const Form i1 = root * kNoise;
    const Form i10 = 0.5 * root * (kNoise + (1 / std::numbers::sqrt3) * kOtherNoise);  // over h
    const Form a = reverse_drift(sde, t, kX, Term::score0);
    const Form inner = kX + 0.75 * h * a + 1.5 * g(sde, u) * i10;
    const Form b = reverse_drift(sde, later, inner, Term::score1);
    const Form next =
        kX + h * ((1. / 3) * a + (2. / 3) * b) + g(sde, u) * i1 + (g(sde, t) - g(sde, u)) * i10;
    scheme.steps.push_back({.t = t, .stages = {{t, kX}, {later, inner}}, .next = next});
  }
  return scheme;
}

SampleResult sample_stochastic_heun(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                                    const std::vector<int64_t>& samples, const RungeKuttaOptions& o,
                                    const NoiseSource& noise, const Observer& observer) {
  return run_scheme(score, sde, stochastic_heun(sde, o.grid), x, samples, o.denoise, noise,
                    observer);
}

SampleResult sample_sra1(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                         const std::vector<int64_t>& samples, const RungeKuttaOptions& o,
                         const NoiseSource& noise, const Observer& observer) {
  return run_scheme(score, sde, sra1(sde, o.grid), x, samples, o.denoise, noise, observer);
}

}  // namespace ito::samplers
