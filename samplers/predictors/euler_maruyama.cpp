#include <cmath>

#include "samplers/predictors/predictor.h"

namespace ito::samplers {

StepCoef euler_maruyama(const sde::Sde& sde, const sde::TimeStep& step,
                        const PredictorOptions& options) {
  const double h = step.h, g2 = sde.diffusion2(step.t);
  const double x = 1 - sde.drift(step.t) * h;
  if (options.process == Process::probability_flow) {
    return {.x = x, .score = 0.5 * g2 * h, .noise = 0};
  }
  return {.x = x, .score = g2 * h, .noise = std::sqrt(g2 * h)};
}

}  // namespace ito::samplers
