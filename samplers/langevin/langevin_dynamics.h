// Langevin dynamics on its own: annealed (Song and Ermon 2019 and 2020), plain, and without noise.
#pragma once

#include "samplers/solvers/scheme.h"

namespace ito::samplers {

/// Data that is known, for inpainting: its noisy version replaces the state before every step.
struct KnownPart {
  Tensor data;  ///< like x; undefined: nothing is known
  Tensor mask;  ///< 1 where the data is known, else 0; broadcasts to x
  /// How often the noise of the known part is drawn: once per level (Song and Ermon 2019), or for
  /// every step (2020).
  enum class Renew : uint8_t { per_level, per_step } renew = Renew::per_level;
};

struct AnnealedOptions {
  std::vector<double> times;  ///< one per level, from much noise to little: the labels' times
  int steps_per_level = 100;
  double step = 2e-5;                  ///< e, the step at the last level, in data units squared
  Denoise denoise = Denoise::tweedie;  ///< x + sigma_L^2 s, as of 2020; none: as of 2019
  KnownPart known = {};
};

/// The times of `levels` noise levels in geometric progression, from T down to `end`: 0 gives the
/// published levels of VE, sigma_max ... sigma_min. Throws ValueError for fewer than two levels.
std::vector<double> level_times(const sde::Sde& sde, int levels, double end = 0);

/// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1, as in their code): at each level
/// i, `steps_per_level` times,
///   a_i = e (sigma_i / sigma_L)^2,  x' = x + a_i s(x, t_i) + sqrt(2 a_i) z.
/// (The paper writes a_i / 2 and sqrt(a_i).) Known data becomes alpha data + sigma z where the mask
/// is 1, and itself at the end. Throws ValueError for options out of range.
SampleResult sample_annealed_langevin(const sde::ScoreFn& score, const sde::Sde& sde,
                                      const Tensor& x, const std::vector<int64_t>& samples,
                                      const AnnealedOptions& options, const NoiseSource& noise,
                                      const Observer& observer = {});

/// langevin: x' = x + (e/2) s + sqrt(e) z, whose stationary density tends to p_t for small e.
/// ascent: x' = x + (e/2) s, to a mode of p_t.
enum class Motion : uint8_t { langevin, ascent };

struct LangevinOptions {
  double t = 0;  ///< time of the score, in (0, T]; the same for all steps
  double step = 1e-3;
  int steps = 1000;
  Motion motion = Motion::langevin;
  Denoise denoise = Denoise::none;
};

/// Langevin dynamics with the score at one time. Throws ValueError for options out of range.
SampleResult sample_langevin(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const LangevinOptions& options,
                             const NoiseSource& noise, const Observer& observer = {});

/// Where the published annealed dynamics start: uniform noise on [0, 1).
Tensor uniform_start(const Shape& sample_shape, const std::vector<int64_t>& samples, uint64_t seed,
                     DType dtype = DType::f32);

/// Noise that is shared between two ends of a line of samples (Song and Ermon 2020, section 5):
/// row n of every draw is cos(phi) z_first + sin(phi) z_second with phi = angles[n], so that phi
/// from 0 to pi/2 leads from one sample to the other. Every draw of a run is made so: give the
/// source to the sampler and, where it starts with Gaussian noise, to prior_sample.
NoiseSource interpolated_noise(uint64_t seed, const Shape& sample_shape, int64_t first,
                               int64_t second, std::vector<double> angles, DType dtype = DType::f32,
                               Device device = kCpu);

}  // namespace ito::samplers
