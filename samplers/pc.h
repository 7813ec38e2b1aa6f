// Predictor-corrector sampling (Song et al. 2021, algorithms 1 to 5).
#pragma once

#include <optional>

#include "kernels/langevin_step/op.h"
#include "samplers/config.h"
#include "samplers/controllable/constraint.h"
#include "samplers/correctors/langevin.h"
#include "samplers/predictors/predictor.h"
#include "samplers/sampler.h"
#include "sde/time_grid.h"

namespace ito::samplers {

enum class Corrector : uint8_t { none, langevin, ald };

/// Within a step from t to next: correct at t, then predict (the published code), or predict, then
/// correct at next (Song et al. 2021, algorithm 1). Without a predictor all corrections are at t.
enum class Order : uint8_t { corrector_first, predictor_first };

/// One of the two updates of a step, before a data constraint.
struct UpdateView {
  enum class Kind : uint8_t { corrector, predictor };
  Kind kind;
  const Tensor& x;     ///< [N, ...]
  const Tensor& mean;  ///< x where the update is "none"
};

struct PcOptions {
  sde::TimeGrid grid;
  Predictor predictor;
  PredictorOptions predictor_options = {};
  Corrector corrector = Corrector::none;
  int corrector_steps = 1;
  double snr = 0.16;
  ops::SnrNorm norm = ops::SnrNorm::per_sample;
  CorrectorAlpha alpha = CorrectorAlpha::per_step;
  Denoise denoise = Denoise::tweedie;
  Order order = Order::corrector_first;
  /// Imposed after all corrections and after the prediction of each step, whatever they are.
  std::optional<DataConstraint> constraint = {};
  /// Sees every update; steps are then not recorded.
  std::function<void(const UpdateView&)> on_update = {};
};

/// Product defaults: uniform grid, exact step rules, rounded indices. Throws UserError.
PcOptions pc_options(const SamplingConfig& config, const sde::Sde& sde);
/// The published code, to the letter: step 1/N on linspace(T, eps, N), tables with truncated
/// indices, norms as batch means, the last mean as result (contracts: reference mode).
PcOptions reference_pc_options(const SamplingConfig& config, const sde::Sde& sde);

/// Runs from the state `x` at T down to the end of the grid. A sample depends on its global index
/// alone, never on its batch, unless norm is batch_mean. On a GPU a step is one recorded graph, if
/// the score can be tabulated and the noise is generated. Throws UserError: not_finite if the
/// result is not finite; bad_combination for predictor_first with a corrector on a grid that ends
/// where the SDE has no noise (song_paper with VP or sub-VP).
SampleResult sample_pc(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                       const std::vector<int64_t>& samples, const PcOptions& options,
                       const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
