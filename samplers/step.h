// Every one-stage update of a sampler is x' = a x + b score + c z with z ~ N(0, I): three numbers
// per step, made in fp64 on the host, applied by one fused kernel.
#pragma once

#include "sde/sde.h"

namespace ito::samplers {

/// c: x' = c.x * x + c.score * s + c.noise * z. Without the last term it is the mean of the update.
struct StepCoef {
  double x, score, noise;
};

/// E[x_0 | x_t] = (x_t + sigma^2 s) / alpha (Robbins 1956, Tweedie's formula; Efron 2011): the
/// denoising step at the end of sampling. `t` in [0, T].
inline StepCoef tweedie(const sde::Sde& sde, double t) {
  const double a = sde.alpha(t), sigma = sde.sigma(t);
  return {.x = 1 / a, .score = sigma * sigma / a, .noise = 0};
}

}  // namespace ito::samplers
