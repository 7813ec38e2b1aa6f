// Predictors: one step of the reverse SDE or of the probability-flow ODE from t to next < t (Song
// et al. 2021, section 4 and appendices D to F). Each is a pure function from the scalar SDE to a
// StepCoef, so every predictor works with every linear SDE.
#pragma once

#include <span>
#include <string_view>

#include "samplers/step.h"
#include "sde/sde.h"
#include "sde/time_grid.h"

namespace ito::samplers {

/// `exact`: from the closed forms alpha, sigma, f, g at the two ends of the step.
/// `table`: the published rules, on the tables of Sde::discretize with N = steps of the grid.
enum class StepRule { exact, table };

/// The reverse SDE, or the ODE with the same marginals: half the score term and no noise. Applies
/// to euler_maruyama and reverse_diffusion; ancestral sampling has no such form.
enum class Process { reverse_sde, probability_flow };

/// Noise of ancestral sampling: the variance of x_next given x_t and the data (`posterior`), or
/// that of the forward step (`forward`). `published` is what Song et al. use: posterior for SMLD
/// (appendix F), forward (beta_k) for DDPM, that is, forward where the SDE has a drift.
enum class AncestralVariance { published, posterior, forward };

struct PredictorOptions {
  StepRule rule = StepRule::exact;
  Process process = Process::reverse_sde;
  AncestralVariance variance = AncestralVariance::published;
  sde::IndexRounding rounding = sde::IndexRounding::nearest;  ///< for StepRule::table
  double eta = 0;  ///< noise of ddim, in [0, 1]: 0 is deterministic, 1 has the posterior's variance
};

/// m = x - (f x - g^2 s) h, noise g sqrt(h); `table` is the same rule.
StepCoef euler_maruyama(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// The forward step x_t = (1 + F) x_next + G z inverted to first order (appendix E):
/// x' = x - F x + G^2 s + G z. `exact` takes F and G from the transition next -> t:
/// 1 + F = alpha_t / alpha_next, G^2 = sigma_t^2 - (1 + F)^2 sigma_next^2.
StepCoef reverse_diffusion(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// Ancestral sampling (Ho et al. 2020, algorithm 2; Song et al. 2021, appendix F) with the same F
/// and G: x' = (x + G^2 s) / (1 + F) + c z, c = G (forward) or G sigma_next / sigma_t (posterior).
/// Throws UserError (bad_combination) for Process::probability_flow.
StepCoef ancestral_sampling(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// `exact`: Euler's rule for the ODE dx = (f x - g^2 s / 2) dt. `table`: the published probability
/// flow predictor, reverse_diffusion with half the score term and no noise.
StepCoef probability_flow(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// DDIM (Song, Meng, Ermon 2021, eq. 12) for any alpha and sigma: with the noise e = -sigma_t s and
/// x0 = (x + sigma_t^2 s) / alpha_t, x' = alpha_next x0 + sqrt(sigma_next^2 - c^2) e + c z, where
/// c = eta G sigma_next / sigma_t is eta times the noise of ancestral sampling. With eta = 0 it
/// solves the probability-flow ODE exactly while e stays the same. Throws UserError (bad_value) for
/// eta outside [0, 1].
StepCoef ddim(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// x' = x.
StepCoef no_predictor(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);

/// A row of the table of predictors.
struct Predictor {
  std::string_view name;  ///< as in the key sampling.predictor
  int order;              ///< weak order of convergence in h; 0 for "none"
  StepCoef (*step)(const sde::Sde&, const sde::TimeStep&, const PredictorOptions&);
};

/// All predictors: euler_maruyama, reverse_diffusion, ancestral_sampling, probability_flow, ddim,
/// none.
std::span<const Predictor> predictors();

/// Throws UserError (bad_value) naming the nearest one for an unknown name.
const Predictor& predictor_by_name(std::string_view name);

}  // namespace ito::samplers
