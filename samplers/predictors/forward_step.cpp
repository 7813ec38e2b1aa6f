#include "samplers/predictors/forward_step.h"

#include <algorithm>

namespace ito::samplers::detail {

ForwardStep forward_step(const sde::Sde& sde, const sde::TimeStep& step,
                         const PredictorOptions& options) {
  if (options.rule == StepRule::table) {
    const sde::Discretization d = sde.discretize(step.t, step.steps, options.rounding);
    return {.f = d.f, .g2 = d.G * d.G, .sigma = d.sigma_k, .sigma_next = d.sigma_prev};
  }
  const double ratio = sde.alpha(step.t) / sde.alpha(step.next);
  const double sigma = sde.sigma(step.t), sigma_next = sde.sigma(step.next);
  // The difference is a variance; rounding must not make that of a tiny step negative.
  const double variance = (sigma - ratio * sigma_next) * (sigma + ratio * sigma_next);
  return {.f = ratio - 1, .g2 = std::max(variance, 0.0), .sigma = sigma, .sigma_next = sigma_next};
}

}  // namespace ito::samplers::detail
