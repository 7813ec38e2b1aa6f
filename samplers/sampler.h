// What all samplers take and return.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "samplers/step.h"
#include "sde/score.h"

namespace ito::samplers {

/// What becomes of the last state: `mean` is the last update without its noise (what the reference
/// does), `tweedie` is E[x_0 | x] at the last time, for one more evaluation of the score.
enum class Denoise : uint8_t { none, mean, tweedie };

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

/// E[x_0 | x] at time t for every sample: one evaluation of the score (step.h, tweedie).
Tensor denoise_tweedie(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x, double t);

/// Throws UserError(not_finite) if an element is not finite. Waits for the device.
void check_finite(const Tensor& x);

}  // namespace ito::samplers
