// Predictor-corrector sampling (Song et al. 2021, algorithms 1 to 5).
#pragma once

#include "kernels/langevin_step/op.h"
#include "samplers/config.h"
#include "samplers/correctors/langevin.h"
#include "samplers/predictors/predictor.h"
#include "samplers/sampler.h"
#include "sde/time_grid.h"

namespace ito::samplers {

enum class Corrector : uint8_t { none, langevin, ald };
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

/// Runs from the state `x` at T down to the end of the grid. Each step corrects, then predicts,
/// both at the same time. A sample depends on its global index alone, never on its batch, unless
/// norm is batch_mean. On a GPU a step is one recorded graph, if the score can be tabulated and the
/// noise is generated. Throws UserError(not_finite) if the result is not finite.
SampleResult sample_pc(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                       const std::vector<int64_t>& samples, const PcOptions& options,
                       const NoiseSource& noise, const Observer& observer = {});

}  // namespace ito::samplers
