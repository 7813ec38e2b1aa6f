// Step sizes of the Langevin correctors (Song et al. 2021, algorithms 4 and 5; Song and Ermon
// 2019): x' = x + e s + sqrt(2 e) z at a fixed time t.
#pragma once

#include "samplers/step.h"
#include "sde/sde.h"

namespace ito::samplers {

/// The factor alpha of the step size: 1 for VE; for VP and sub-VP 1 - beta_k of the DDPM table
/// (`per_step`: the published code) or the product of all 1 - beta_j up to k (`cumulative`: what
/// algorithm 5 says with the paper's own definition).
enum class CorrectorAlpha { per_step, cumulative };

/// alpha at time t on an N-level table. Throws ValueError where it is not positive: the table of a
/// sub-VP SDE with levels <= beta_max.
double corrector_alpha(const sde::Sde& sde, double t, int levels,
                       CorrectorAlpha kind = CorrectorAlpha::per_step,
                       sde::IndexRounding rounding = sde::IndexRounding::nearest);

/// Langevin: e = 2 alpha (snr |z| / |s|)^2, from the L2 norms of noise and score. Throws ValueError
/// if score_norm is not positive.
double langevin_step_size(double alpha, double snr, double noise_norm, double score_norm);

/// Annealed Langevin dynamics: e = 2 alpha (snr std)^2 with std = sigma(t).
double annealed_langevin_step_size(double alpha, double snr, double std);

/// The update with step size e >= 0: x' = x + e s + sqrt(2 e) z.
StepCoef langevin_step(double step_size);

}  // namespace ito::samplers
