#include "sde/objectives/importance.h"

#include <cmath>

#include "engine/core/check.h"

namespace ito::sde {

double log_noise_to_signal(const Sde& sde, double t) {
  return 2 * std::log(sde.sigma(t) / sde.alpha(t));
}

double likelihood_weighted_time(const Sde& sde, double u, double eps) {
  ITO_CHECK(u >= 0 && u <= 1 && eps > 0 && eps < sde.T(), ValueError,
            "a quantile in [0, 1] of times from eps in (0, T) on", kv("u", u), kv("eps", eps));
  double low = eps, high = sde.T();
  const double target =
      (1 - u) * log_noise_to_signal(sde, low) + u * log_noise_to_signal(sde, high);
  for (int i = 0; i < 80; ++i) {  // l rises; more halvings than a double has bits
    const double middle = 0.5 * (low + high);
    (log_noise_to_signal(sde, middle) < target ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

NoiseLevel importance_sampled_level(const Sde& sde, double t, double eps) {
  NoiseLevel level = continuous_level(sde, t, Weighting::std2);
  level.weight =
      (log_noise_to_signal(sde, sde.T()) - log_noise_to_signal(sde, eps)) / (sde.T() - eps);
  return level;
}

}  // namespace ito::sde
