#include <cmath>

#include "samplers/predictors/forward_step.h"
#include "samplers/predictors/predictor.h"

namespace ito::samplers {

StepCoef reverse_diffusion(const sde::Sde& sde, const sde::TimeStep& step,
                           const PredictorOptions& options) {
  const detail::ForwardStep forward = detail::forward_step(sde, step, options);
  if (options.process == Process::probability_flow) {
    return {.x = 1 - forward.f, .score = 0.5 * forward.g2, .noise = 0};
  }
  return {.x = 1 - forward.f, .score = forward.g2, .noise = std::sqrt(forward.g2)};
}

}  // namespace ito::samplers
