// The section [sampling] of a configuration.
#pragma once

#include <string>

#include "engine/core/settings.h"

namespace ito::samplers {

struct SamplingConfig {
  std::string method = "pc";                    ///< see methods() in sample.h
  std::string predictor = "reverse_diffusion";  ///< see predictors()
  std::string corrector = "none";               ///< none, langevin, ald
  int steps = 1000;                             ///< of the grid; levels of annealed_langevin
  double snr = 0.16;                            ///< signal-to-noise ratio of the corrector
  int corrector_steps = 1;  ///< per predictor step, or per level of annealed_langevin
  std::string denoise =
      "tweedie";   ///< tweedie: E[x_0 | x_eps]; mean: last step without its noise; none
  double eps = 0;  ///< time at which sampling ends; 0: the SDE's own
  bool probability_flow = false;          ///< predictors follow the ODE: half the score, no noise
  std::string snr_norm = "per_sample";    ///< per_sample, batch_mean, sqrt_dim
  std::string order = "corrector_first";  ///< corrector_first, predictor_first
  std::string corrector_alpha = "per_step";      ///< per_step, cumulative; see CorrectorAlpha
  std::string ancestral_variance = "published";  ///< published, posterior, forward
  double eta = 0;                                ///< noise of ddim, in [0, 1]
  std::string grid = "auto";      ///< where the steps are; auto: what the method was published with
  std::string solver = "dopri5";  ///< of ode, see tableaus()
  std::string control = "per_sample";   ///< steps of dopri5: per_sample, whole_batch
  double rtol = 0, atol = 0;            ///< of ode and adaptive; 0: the method's own
  double churn = 0;                     ///< edm: S_churn
  double churn_min = 0, churn_max = 0;  ///< edm: range of sigma / alpha that is churned; 0: all
  double churn_noise = 1;               ///< edm: S_noise
  int solver_order = 2;                 ///< dpm_solver: 1 or 2
  double threshold = 0;                 ///< dpm_solver: quantile of dynamic thresholding; 0: off
  double step_size = 2e-5;              ///< annealed_langevin: at the last level

  void fields(Fields& f);
  void validate() const;  ///< throws UserError naming the key
};

}  // namespace ito::samplers
