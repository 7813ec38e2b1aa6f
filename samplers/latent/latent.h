// Latent codes of the probability-flow ODE (Song et al. 2021, section 4.3, appendices D.4 and D.5).
#pragma once

#include <vector>

#include "samplers/ode/probability_flow.h"

namespace ito::samplers {

/// The code of images x [N, ...]: the solution at T of the ODE from eps (options.eps, or the SDE's
/// own). options.denoise does not matter.
SampleResult encode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                    const FlowOptions& options, const Observer& observer = {});

/// The images of codes z: sample_ode without denoising, so that decode(encode(x)) is x up to the
/// solver's error.
SampleResult decode(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& z,
                    FlowOptions options, const Observer& observer = {});

/// Root mean square of a - b over each sample, in the data's units.
std::vector<double> root_mean_square_difference(const Tensor& a, const Tensor& b);

/// Spherical interpolation, for every u one row: sin((1-u) phi) / sin phi z1 + sin(u phi) / sin phi
/// z2, cos phi = z1.z2 / (|z1| |z2|); linear where phi is within 1e-4 of 0 or pi. z1, z2 [...] of
/// one shape; the result is [u.size(), ...] f32.
Tensor spherical_interpolation(const Tensor& z1, const Tensor& z2, const std::vector<double>& u);

/// tau z: smaller temperatures draw less typical, smoother images.
Tensor at_temperature(const Tensor& z, double tau);

/// How alike two sets of codes of the same images are (appendix D.5).
struct CodeComparison {
  double correlation = 0;                                    ///< of all values, Pearson's r
  double difference = 0;                                     ///< mean |a - b|
  double shuffled_correlation = 0, shuffled_difference = 0;  ///< against the next image's codes
};
/// a, b [N, ...] with N >= 2: codes of the same N images by two networks.
CodeComparison compare_codes(const Tensor& a, const Tensor& b);

}  // namespace ito::samplers
