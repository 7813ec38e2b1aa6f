#include "samplers/ode/probability_flow.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/scaled_sum/op.h"
#include "samplers/predictors/predictor.h"
#include "samplers/solvers/scheme.h"

namespace ito::samplers {
namespace {

/// Mean of one reverse diffusion step of the N-level table at time t.
Tensor reverse_diffusion_mean(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                              double t, int levels) {
  const double h = sde.T() / levels;
  const StepCoef c =
      reverse_diffusion(sde, {.t = t, .next = 0, .h = h, .index = levels - 1, .steps = levels},
                        {.rule = StepRule::table, .rounding = sde::IndexRounding::truncate});
  return ops::scaled_sum(c.x, x, c.score, score(x, std::span(&t, 1)));
}

/// Equal steps of a rule from T to eps: x' = x + h sum_j b_j k_j, k_j = f x_j - g^2 s_j / 2, where
/// every x_j = x + h sum_i a_ji k_i is a linear form in x and the scores before.
Scheme equal_steps(const sde::Sde& sde, const Tableau& rule, double eps, int steps) {
  const sde::TimeGrid grid = sde::TimeGrid::uniform(sde.T(), eps, steps);
  Scheme scheme{.name = std::string(rule.name), .steps = {}, .end = eps};
  for (int i = 0; i < steps; ++i) {
    const double t = grid.t(i), h = grid.t(i + 1) - t;
    std::vector<Form> k;
    const auto advanced = [&](const std::vector<double>& weights) {
      Form x = term(Term::x);
      for (size_t j = 0; j < weights.size(); ++j) x = x + h * weights[j] * k[j];
      return x;
    };
    SchemeStep step{.t = t, .stages = {}};
    for (size_t j = 0; j < rule.stages(); ++j) {
      const double time = t + rule.c[j] * h;
      const Form x = advanced(rule.a[j]);
      step.stages.push_back({time, x});
      k.push_back(sde.drift(time) * x - sde.diffusion2(time) / 2 * term(score_term(j)));
    }
    step.next = advanced(rule.b);
    scheme.steps.push_back(step);
  }
  return scheme;
}

/// The solution at eps without denoising.
SampleResult solution(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x, double eps,
                      const OdeOptions& solver, const Observer& observer) {
  if (solver.control == StepControl::fixed) {
    std::vector<int64_t> samples(static_cast<size_t>(x.size(0)));  // for noise, of which is none
    return run_scheme(score, sde, equal_steps(sde, *solver.tableau, eps, solver.steps), x, samples,
                      Denoise::none, {}, observer);
  }
  int step = 0;
  const OdeResult flow = integrate(
      probability_flow_rhs(score, sde), sde.T(), eps, x, solver, [&](const OdeView& view) {
        return !observer || observer({step++, 0, view.t.front(), view.y, view.y}) == Verdict::go_on;
      });
  return {.x = flow.y, .evaluations = flow.most_evaluations(), .finished = flow.finished};
}

}  // namespace

OdeRhs probability_flow_rhs(const sde::ScoreFn& score, const sde::Sde& sde) {
  return [&score, &sde](const Tensor& x, std::span<const double> t) {
    std::vector<double> f, g;  // dx/dt = f x + g s
    for (const double time : t) {
      f.push_back(sde.drift(time));
      g.push_back(-sde.diffusion2(time) / 2);
    }
    const Tensor s = score(x, t);
    return sde::over_samples(sde::per_sample(f, x), x) * x +
           sde::over_samples(sde::per_sample(g, x), x) * s;
  };
}

SampleResult sample_ode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                        const FlowOptions& o, const Observer& observer) {
  const NoGradScope off;
  const double eps = o.eps > 0 ? o.eps : sde.sampling_eps();
  SampleResult result = solution(score, sde, x, eps, o.solver, observer);
  if (result.finished && o.denoise != Denoise::none) {
    result.x = o.denoise == Denoise::tweedie
                   ? denoise_tweedie(score, sde, result.x, eps)
                   : reverse_diffusion_mean(score, sde, result.x, eps, o.levels);
    ++result.evaluations;
  }
  check_finite(result.x);
  return result;
}

void check_flow(const sde::Sde& sde, sde::Labels labels) {
  if (labels == sde::Labels::continuous || sde.name() != "ve") return;
  fail(
      ErrorCode::bad_combination, "sampling.method",
      "the ODE needs a network of continuous times, this one was trained on the levels of a VE SDE",
      "use sampling.method = \"pc\", or train with objective.continuous = true");
}

}  // namespace ito::samplers
