#include "samplers/correctors/langevin.h"

#include <cmath>

#include "engine/core/check.h"

namespace ito::samplers {

double corrector_alpha(const sde::Sde& sde, double t, int levels, CorrectorAlpha kind,
                       sde::IndexRounding rounding) {
  const sde::Discretization d = sde.discretize(t, levels, rounding);
  ITO_CHECK(d.alpha_k > 0, ValueError, "a Langevin step needs beta_k < 1: more levels",
            kv("alpha_k", d.alpha_k), kv("k", d.index), kv("levels", levels));
  return kind == CorrectorAlpha::cumulative ? d.alpha_bar_k : d.alpha_k;
}

double langevin_step_size(double alpha, double snr, double noise_norm, double score_norm) {
  ITO_CHECK(score_norm > 0, ValueError, "a Langevin step needs a score that is not zero",
            kv("score_norm", score_norm));
  const double ratio = snr * noise_norm / score_norm;
  return 2 * alpha * ratio * ratio;
}

double annealed_langevin_step_size(double alpha, double snr, double std) {
  return 2 * alpha * (snr * std) * (snr * std);
}

StepCoef langevin_step(double step_size) {
  return {.x = 1, .score = step_size, .noise = std::sqrt(2 * step_size)};
}

}  // namespace ito::samplers
