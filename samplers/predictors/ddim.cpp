#include <algorithm>
#include <cmath>
#include <string>

#include "engine/core/check.h"
#include "samplers/predictors/forward_step.h"
#include "samplers/predictors/predictor.h"

namespace ito::samplers {

StepCoef ddim(const sde::Sde& sde, const sde::TimeStep& step, const PredictorOptions& options) {
  const double eta = options.eta;
  if (!(eta >= 0 && eta <= 1)) {
    fail(ErrorCode::bad_value, "sampling.eta", "is " + std::to_string(eta),
         "use a value in [0, 1]");
  }
  const detail::ForwardStep forward = detail::forward_step(sde, step, options);
  const double scale = 1 + forward.f, sigma = forward.sigma, next = forward.sigma_next;
  const double noise = eta * std::sqrt(forward.g2) * next / sigma;
  // Rounding must not make the rest of the variance negative where c = sigma_next.
  const double rest = std::sqrt(std::max((next - noise) * (next + noise), 0.0));
  return {.x = 1 / scale, .score = sigma * sigma / scale - rest * sigma, .noise = noise};
}

}  // namespace ito::samplers
