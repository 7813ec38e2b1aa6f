#include "samplers/ode/probability_flow.h"

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/scaled_sum/op.h"
#include "samplers/predictors/predictor.h"

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
  int step = 0;
  const OdeResult flow = integrate(
      probability_flow_rhs(score, sde), sde.T(), eps, x, o.solver, [&](const OdeView& view) {
        return !observer || observer({step++, 0, view.t.front(), view.y, view.y}) == Verdict::go_on;
      });
  SampleResult result{
      .x = flow.y, .evaluations = flow.most_evaluations(), .finished = flow.finished};
  if (flow.finished && o.denoise != Denoise::none) {
    result.x = o.denoise == Denoise::tweedie
                   ? denoise_tweedie(score, sde, flow.y, eps)
                   : reverse_diffusion_mean(score, sde, flow.y, eps, o.levels);
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
