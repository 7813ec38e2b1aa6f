// Conditional generation by another score: grad log p_t(x|y) = grad log p_t(x) + grad log p_t(y|x)
// (Song et al. 2021, section 5 and appendix I). What comes out is a score like any other: every
// sampler, predictor, corrector and ODE solver takes it.
#pragma once

#include <memory>

#include "samplers/controllable/measurement.h"
#include "sde/score.h"

namespace ito::samplers {

/// grad_x log p_t(y|x) for x [N, ...] at times t: that of a classifier with its labels, say. Any
/// callable of that shape is one. A classifier must have been trained on the noise of the same SDE.
using Guidance = sde::ScoreFn;

/// s + weight * guidance. A weight above 1 sharpens the condition.
sde::ScoreFn guided(const sde::ScoreFn& score, const Guidance& guidance, double weight = 1);

/// Classifier-free guidance (Ho and Salimans 2022): (1 + w) s(x, y) - w s(x).
sde::ScoreFn classifier_free(const sde::ScoreFn& conditional, const sde::ScoreFn& unconditional,
                             double weight);

/// Guidance by a noisy linear measurement y = A x_0 + sigma_y n (spec 8.5), as if p(y | x_t) were
/// N(y; A x_t / alpha, (sigma_y^2 + sigma^2 / alpha^2) I):
///   alpha A' (y - A x_t / alpha) / (alpha^2 sigma_y^2 + sigma^2).
/// `y` [N, ...] in the SDE's data range; uses apply and adjoint.
Guidance likelihood_guidance(std::shared_ptr<const sde::Sde> sde,
                             const LinearMeasurement& measurement, const Tensor& y, double sigma_y);

}  // namespace ito::samplers
