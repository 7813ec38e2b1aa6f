// Times drawn where the likelihood weighting has its mass (Song et al. 2021b, "Maximum Likelihood
// Training of Score-Based Diffusion Models", section 4.3, where p(t) is g(t)^2 / sigma(t)^2 too).
#pragma once

#include "sde/objectives/denoising.h"

namespace ito::sde {

/// Smallest time of the continuous objectives (spec 0, 5).
inline constexpr double kSmallestTime = 1e-5;

/// l(t) = ln(sigma^2 / alpha^2), the negative logarithm of the signal-to-noise ratio. From
/// alpha' = f alpha and (sigma^2)' = 2 f sigma^2 + g^2 follows l' = g^2 / sigma^2 for every linear
/// SDE: l is the integral of the likelihood weighting of denoising losses.
double log_noise_to_signal(const Sde& sde, double t);

/// The time with l(t) = (1 - u) l(eps) + u l(T): for u uniform in [0, 1) it has the density
/// p(t) = g^2 / sigma^2 / (l(T) - l(eps)) on [eps, T). Throws ValueError for u outside [0, 1] or
/// eps outside (0, T).
double likelihood_weighted_time(const Sde& sde, double u, double eps = kSmallestTime);

/// The level at t with the weight (g^2 / sigma^2) / ((T - eps) p(t)) = (l(T) - l(eps)) / (T - eps),
/// whatever t is: with times from likelihood_weighted_time the expected loss is that of uniform
/// times and Weighting::likelihood.
NoiseLevel importance_sampled_level(const Sde& sde, double t, double eps = kSmallestTime);

}  // namespace ito::sde
