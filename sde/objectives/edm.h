// The loss of EDM (Karras et al. 2022, eq. 8 and table 1).
#pragma once

#include "sde/objectives/denoising.h"
#include "sde/objectives/precondition.h"

namespace ito::sde {

/// ln sigma ~ N(mean, std^2).
struct LogNormalSigma {
  double mean = -1.2, std = 1.2;
  double operator()(double normal) const;  ///< sigma from a draw of N(0, 1)
};

/// weight(sigma) R[(D(x_0 + sigma z; sigma) - x_0)^2] of each sample [N], with the denoiser D that
/// `how` makes of the network. One sigma per sample; x0 [N, ...]; samples i64 [N] choose the noise.
Tensor edm_losses(const NetworkFn& network, const Precondition& how, const Tensor& x0,
                  std::span<const double> sigmas, const Tensor& samples, NoiseKey key,
                  Reduction reduction);

}  // namespace ito::sde
