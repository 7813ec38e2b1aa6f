#include "samplers/langevin/langevin_dynamics.h"

#include <cmath>

#include "engine/core/check.h"
#include "kernels/binary/op.h"
#include "kernels/noise/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/unary/op.h"
#include "samplers/correctors/langevin.h"
#include "sde/time_grid.h"

namespace ito::samplers {
namespace {

/// x' = x + e s + sqrt(2 e) z, or without the noise.
SchemeStep langevin_move(double t, double step, Motion motion) {
  const StepCoef c = langevin_step(step);
  const Form mean = c.x * term(Term::x) + c.score * term(Term::score0);
  const double noise = motion == Motion::langevin ? c.noise : 0;
  return {.t = t, .stages = {{t, term(Term::x)}}, .next = mean + noise * term(Term::noise0)};
}

Shape without_batch(const Tensor& x) {
  std::vector<int64_t> list;
  for (int i = 1; i < x.rank(); ++i) list.push_back(x.size(i));
  return Shape(std::span<const int64_t>(list));
}

Tensor indices(const std::vector<int64_t>& samples, Device device) {
  return Tensor::from(samples, {static_cast<int64_t>(samples.size())}, device);
}

/// mask a + (1 - mask) b.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  return mask * a + (1.0 - mask) * b;
}

}  // namespace

std::vector<double> level_times(const sde::Sde& sde, int levels, double end) {
  ITO_CHECK(levels >= 2, ValueError, "annealing takes two levels or more", kv("levels", levels));
  const sde::TimeGrid grid = sde::TimeGrid::geometric(sde, end, levels - 1);
  return {grid.times().begin(), grid.times().end()};
}

SampleResult sample_annealed_langevin(const sde::ScoreFn& score, const sde::Sde& sde,
                                      const Tensor& start, const std::vector<int64_t>& samples,
                                      const AnnealedOptions& o, const NoiseSource& noise,
                                      const Observer& observer) {
  ITO_CHECK(!o.times.empty() && o.steps_per_level >= 1 && o.step > 0, ValueError,
            "annealing takes levels, steps and a step size", kv("levels", o.times.size()),
            kv("steps_per_level", o.steps_per_level), kv("step", o.step));
  Scheme scheme{.name = "annealed Langevin",
                .steps = {},
                .end = o.times.back(),
                .purpose = Purpose::corrector};
  const double last = sde.sigma(o.times.back());
  for (const double t : o.times) {
    const double ratio = sde.sigma(t) / last;
    const SchemeStep move = langevin_move(t, o.step * ratio * ratio, Motion::langevin);
    scheme.steps.insert(scheme.steps.end(), static_cast<size_t>(o.steps_per_level), move);
  }
  const KnownPart& known = o.known;
  if (known.data) {
    ITO_CHECK(known.mask, ValueError, "known data comes with a mask", kv("x", start.shape()));
    const Tensor all = indices(samples, start.device());
    scheme.before_step = [&, all](int step, const Tensor& x) {
      const int level = step / o.steps_per_level;
      const bool per_step = known.renew == KnownPart::Renew::per_step;
      const auto draw = static_cast<uint32_t>(per_step ? step : level);
      const Tensor z = ops::noise(all, {.kind = ops::NoiseKind::normal,
                                        .sample_shape = without_batch(x),
                                        .dtype = x.dtype(),
                                        .key = {noise.seed, Purpose::constraint, draw}});
      const double t = o.times[static_cast<size_t>(level)];
      return where(known.mask, ops::scaled_sum(sde.alpha(t), known.data, sde.sigma(t), z), x);
    };
  }
  SampleResult result = run_scheme(score, sde, scheme, start, samples, o.denoise, noise, observer);
  if (known.data) result.x = where(known.mask, known.data, result.x);
  return result;
}

SampleResult sample_langevin(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const LangevinOptions& o,
                             const NoiseSource& noise, const Observer& observer) {
  ITO_CHECK(o.steps >= 1 && o.step > 0 && o.t >= 0 && o.t <= sde.T(), ValueError,
            "Langevin dynamics take steps, a step size and a time in [0, T]", kv("steps", o.steps),
            kv("step", o.step), kv("t", o.t));
  Scheme scheme{.name = "Langevin", .steps = {}, .end = o.t, .purpose = Purpose::corrector};
  scheme.steps.assign(static_cast<size_t>(o.steps), langevin_move(o.t, o.step / 2, o.motion));
  return run_scheme(score, sde, scheme, x, samples, o.denoise, noise, observer);
}

Tensor uniform_start(const Shape& sample_shape, const std::vector<int64_t>& samples, uint64_t seed,
                     DType dtype) {
  return ops::noise(indices(samples, kCpu), {.kind = ops::NoiseKind::uniform,
                                             .sample_shape = sample_shape,
                                             .dtype = dtype,
                                             .key = {seed, Purpose::prior, 0}});
}

NoiseSource interpolated_noise(uint64_t seed, const Shape& sample_shape, int64_t first,
                               int64_t second, std::vector<double> angles, DType dtype,
                               Device device) {
  NoiseSource source{.seed = seed};
  source.recorded = [=, draws = uint32_t{0}]() mutable {
    const auto draw = [&](int64_t sample) {
      return ops::noise(indices({sample}, device), {.kind = ops::NoiseKind::normal,
                                                    .sample_shape = sample_shape,
                                                    .dtype = dtype,
                                                    .key = {seed, Purpose::corrector, draws}});
    };
    const Tensor p = draw(first), q = draw(second);
    ++draws;
    std::vector<double> cosines, sines;
    for (const double phi : angles) {
      cosines.push_back(std::cos(phi));
      sines.push_back(std::sin(phi));
    }
    std::vector<int64_t> shape = {static_cast<int64_t>(angles.size())};
    for (int i = 0; i < sample_shape.rank(); ++i) shape.push_back(1);
    const auto column = [&](const std::vector<double>& c) {
      const Tensor like = Tensor::zeros(Shape(std::span<const int64_t>(shape)), dtype, device);
      return sde::over_samples(sde::per_sample(c, like), like);
    };
    return column(cosines) * p + column(sines) * q;
  };
  return source;
}

}  // namespace ito::samplers
