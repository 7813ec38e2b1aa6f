// The adaptive solver of reverse SDEs of Jolicoeur-Martineau et al. 2021, "Gotta go fast when
// generating data with score-based models" (arXiv 2105.14080), algorithm 1.
#pragma once

#include "samplers/sampler.h"

namespace ito::samplers {

struct AdaptiveOptions {
  double eps = 0;                ///< time at which sampling ends; 0: the SDE's own
  double rtol = 0.02;            ///< relative error of a step, > 0
  double atol = 1. / 128;        ///< absolute error; half a grey level of 256 in [-1, 1] is 1/256
  double first_step = 0.01;      ///< > 0
  double safety = 0.9;           ///< theta
  double exponent = 0.9;         ///< r
  int64_t most_steps = 100'000;  ///< gives up after so many attempts
  Denoise denoise = Denoise::tweedie;  ///< `mean` is the same as `none`
};

/// An embedded pair, Euler-Maruyama x' and stochastic Heun x'', with one draw z:
///   x' = x + h a(x, t) + sqrt(h) g(t) z,           a = -f x + g^2 s,
///   x'' = (x' + x + h a(x', t - h) + sqrt(h) g(t - h) z) / 2,
///   E = rms of (x' - x'') / max(atol, rtol max(|x'|, |x' of the step before|)).
/// E <= 1: t becomes t - h and x becomes x''. Then h becomes min(t - eps, theta h E^-r). Each
/// sample has its own t and h, so it depends on its own index alone. A draw of a rejected attempt
/// is thrown away, as published. In many dimensions, where the error hardly depends on the draw,
/// that is harmless; in one or two it selects draws, and the marginal suffers (the variance of
/// one-dimensional Gaussian data came out twice as large): use fixed steps there.
/// Two evaluations per attempt, counted for the slowest sample. One number per sample and attempt
/// is read back. Throws UserError(not_finite) where no step is short enough or the result is not
/// finite, ValueError for options out of range.
SampleResult sample_adaptive(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const AdaptiveOptions& options,
                             const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
