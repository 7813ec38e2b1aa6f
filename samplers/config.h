// The section [sampling] of a configuration.
#pragma once

#include <string>

#include "engine/core/settings.h"

namespace ito::samplers {

struct SamplingConfig {
  std::string method = "pc";
  std::string predictor = "reverse_diffusion";  ///< see predictors()
  std::string corrector = "none";               ///< none, langevin, ald
  int steps = 1000;                             ///< predictor steps
  double snr = 0.16;                            ///< signal-to-noise ratio of the corrector
  int corrector_steps = 1;                      ///< corrector steps per predictor step
  std::string denoise =
      "tweedie";   ///< tweedie: E[x_0 | x_eps]; mean: last step without its noise; none
  double eps = 0;  ///< time at which sampling ends; 0: the SDE's own
  bool probability_flow = false;          ///< predictors follow the ODE: half the score, no noise
  std::string snr_norm = "per_sample";    ///< per_sample, batch_mean, sqrt_dim
  std::string order = "corrector_first";  ///< corrector_first, predictor_first
  std::string corrector_alpha = "per_step";      ///< per_step, cumulative; see CorrectorAlpha
  std::string ancestral_variance = "published";  ///< published, posterior, forward
  double eta = 0;                                ///< noise of ddim, in [0, 1]

  void fields(Fields& f);
  void validate() const;  ///< throws UserError naming the key
};

}  // namespace ito::samplers
