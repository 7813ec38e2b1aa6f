#include <cmath>

#include "engine/core/check.h"
#include "samplers/predictors/forward_step.h"
#include "samplers/predictors/predictor.h"

namespace ito::samplers {

StepCoef ancestral_sampling(const sde::Sde& sde, const sde::TimeStep& step,
                            const PredictorOptions& options) {
  if (options.process == Process::probability_flow) {
    fail(ErrorCode::bad_combination, "sampling.probability_flow",
         "ancestral_sampling is a step of the reverse SDE and has no probability flow",
         "use reverse_diffusion or euler_maruyama, or turn sampling.probability_flow off");
  }
  AncestralVariance variance = options.variance;
  if (variance == AncestralVariance::published) {
    variance = sde.drift(step.t) == 0 ? AncestralVariance::posterior : AncestralVariance::forward;
  }
  const detail::ForwardStep forward = detail::forward_step(sde, step, options);
  const double scale = 1 + forward.f;
  const double g = std::sqrt(forward.g2);
  return {.x = 1 / scale,
          .score = forward.g2 / scale,
          .noise = variance == AncestralVariance::posterior ? g * forward.sigma_next / forward.sigma
                                                            : g};
}

}  // namespace ito::samplers
