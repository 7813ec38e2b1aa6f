// Predictor-corrector sampling (Song et al. 2021, algorithms 1 to 5).
#pragma once

#include <functional>
#include <vector>

#include "kernels/langevin_step/op.h"
#include "samplers/config.h"
#include "samplers/correctors/langevin.h"
#include "samplers/predictors/predictor.h"
#include "sde/score.h"
#include "sde/time_grid.h"

namespace ito::samplers {

enum class Corrector : uint8_t { none, langevin, ald };
/// What becomes of the last state: `mean` is the last update without its noise (what the reference
/// does), `tweedie` is E[x_0 | x] at the last time, for one more evaluation of the score.
enum class Denoise : uint8_t { none, mean, tweedie };

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
};

/// Product defaults: uniform grid, exact step rules, rounded indices. Throws UserError.
PcOptions pc_options(const SamplingConfig& config, const sde::Sde& sde);
/// The published code, to the letter: step 1/N on linspace(T, eps, N), tables with truncated
/// indices, norms as batch means, the last mean as result (contracts: reference mode).
PcOptions reference_pc_options(const SamplingConfig& config, const sde::Sde& sde);

/// Which noise a run uses: generated from (seed, sample, step), or recorded draws in call order.
struct NoiseSource {
  uint64_t seed = 0;
  std::function<Tensor()> recorded = {};
};

/// State after one predictor step.
struct StepView {
  int step, steps;
  double t;
  const Tensor& x;     ///< [N, ...]; later steps may overwrite it, so keep a clone
  const Tensor& mean;  ///< without the noise of the last update
};
enum class Verdict : uint8_t { go_on, stop };
using Observer = std::function<Verdict(const StepView&)>;

struct SampleResult {
  Tensor x;                 ///< [N, ...] in the SDE's data range
  int64_t evaluations = 0;  ///< of the score, per sample
  bool finished = true;     ///< false if the observer stopped the run
  int64_t graph_nodes = 0;  ///< of the recorded step; 0: its work was given piece by piece
};

/// Draws from the prior: prior_std z. `samples` are the global indices that pick the noise.
Tensor prior_sample(const sde::Sde& sde, const Shape& sample_shape,
                    const std::vector<int64_t>& samples, const NoiseSource& noise,
                    DType dtype = DType::f32);

/// Runs from the state `x` at T down to the end of the grid. Each step corrects, then predicts,
/// both at the same time. A sample depends on its global index alone, never on its batch, unless
/// norm is batch_mean. On a GPU a step is one recorded graph, if the score can be tabulated and the
/// noise is generated. Throws UserError(not_finite) if the result is not finite.
SampleResult sample_pc(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                       const std::vector<int64_t>& samples, const PcOptions& options,
                       const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
