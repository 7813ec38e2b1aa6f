// The forward step that reverse diffusion and ancestral sampling invert.
#pragma once

#include "samplers/predictors/predictor.h"

namespace ito::samplers::detail {

/// x_t = (1 + f) x_next + sqrt(g2) z, and the noise of x given the data at both ends.
struct ForwardStep {
  double f, g2, sigma, sigma_next;
};

ForwardStep forward_step(const sde::Sde& sde, const sde::TimeStep& step,
                         const PredictorOptions& options);

}  // namespace ito::samplers::detail
