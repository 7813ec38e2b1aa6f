// Samples that agree with a measurement: what is known is replaced after every update by a draw
// from the noisy measurement of the same time (Song et al. 2021, appendix I.2 to I.4; spec 8.5).
#pragma once

#include <span>
#include <vector>

#include "kernels/affine_noise_step/op.h"
#include "samplers/controllable/measurement.h"
#include "samplers/sampler.h"

namespace ito::samplers {

/// `exact`: after a predictor the data have the noise of the time reached, the mean is the update's
/// own, and a denoised result meets the data without noise. `reference`: the published code: the
/// noise of the time before the step, a mean built from the constrained state (so that what is
/// unknown keeps its last noise), and the result as it is.
enum class ConstraintRule : uint8_t { exact, reference };

/// y = A x_0. For noisy y, `weight` < 1 moves only part of the way.
struct DataConstraint {
  LinearMeasurement measurement;
  Tensor y;           ///< [N, ...], in the SDE's data range
  double weight = 1;  ///< lambda, in [0, 1]
  ConstraintRule rule = ConstraintRule::exact;
};

/// alpha(t) and sigma(t) at some time.
struct NoiseLevel {
  double alpha, sigma;
};
inline NoiseLevel noise_level(const sde::Sde& sde, double t) {
  return {sde.alpha(t), sde.sigma(t)};
}

/// Imposes a constraint on one state after another:
///   x <- x + w A+ (yhat - A x),   yhat = alpha y + sigma z,
///   m <- m + w A+ (alpha y - A m) for the mean.
/// z is drawn in measurement space for orthonormal rows, else it is A z. The levels are uploaded
/// once and read from a counter in device memory, so `impose` can be part of a recorded graph. Any
/// sampler with steps fixed in advance can call it after each of them; for adaptive ones the jump
/// would enter the error estimate: use guidance.h there.
class ImposedData {
 public:
  /// `levels` of the calls to come; `like` is a state. Noise has Purpose::constraint and the steps
  /// first_step, first_step + 1, ...; recorded draws have the shape of y (orthonormal rows) or of
  /// x. Throws ShapeError where y has not one row per sample, ValueError for a weight outside
  /// [0, 1].
  ImposedData(const DataConstraint& constraint, std::span<const NoiseLevel> levels,
              const std::vector<int64_t>& samples, const NoiseSource& noise, const Tensor& like,
              uint32_t first_step = 1);

  /// With the next of the levels.
  ops::StepResult impose(const ops::StepResult& state) const;
  /// Without noise: x + w A+ (y - A x).
  Tensor impose_clean(const Tensor& x) const;

 private:
  Tensor in_image(const Tensor& known) const;
  Tensor replace(const Tensor& x, const Tensor& known) const;

  DataConstraint constraint_;
  Tensor known_;  // y, or A+ y for general rows
  Tensor levels_, row_, samples_;
  NoiseSource noise_;
  NoiseKey key_;
};

/// The state at T to start from: a draw from the prior whose known part is a draw from the
/// measurement's distribution at T (exact), or the data without noise (reference).
Tensor constrained_start(const DataConstraint& constraint, const sde::Sde& sde, const Tensor& prior,
                         const std::vector<int64_t>& samples, const NoiseSource& noise);

}  // namespace ito::samplers
