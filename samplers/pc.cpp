#include "samplers/pc.h"

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/affine_noise_step/op.h"
#include "kernels/cast/op.h"
#include "kernels/noise/op.h"
#include "kernels/unary/op.h"

namespace ito::samplers {
namespace {

Corrector corrector_of(const std::string& name) {
  if (name == "langevin") return Corrector::langevin;
  return name == "ald" ? Corrector::ald : Corrector::none;
}

PcOptions common_options(const SamplingConfig& c, sde::TimeGrid grid) {
  PcOptions o{.grid = std::move(grid), .predictor = predictor_by_name(c.predictor)};
  o.predictor_options.process =
      c.probability_flow ? Process::probability_flow : Process::reverse_sde;
  o.corrector = corrector_of(c.corrector);
  o.corrector_steps = c.corrector_steps;
  o.snr = c.snr;
  return o;
}

double end_time(const SamplingConfig& c, const sde::Sde& sde) {
  return c.eps > 0 ? c.eps : sde.sampling_eps();
}

/// Tables of one run, uploaded once, and the updates that read them.
class Run {
 public:
  Run(const sde::Sde& sde, const PcOptions& o, const NoiseSource& noise,
      const std::vector<int64_t>& samples, Device device)
      : options_(o),
        noise_(noise),
        samples_(Tensor::from(samples, {static_cast<int64_t>(samples.size())}, device)),
        device_(device) {
    std::vector<double> predictor, corrector;
    for (int i = 0; i < o.grid.steps(); ++i) {
      const sde::TimeStep step = o.grid.step(i);
      append(predictor, o.predictor.step(sde, step, o.predictor_options));
      for (int j = 0; j < o.corrector_steps && o.corrector != Corrector::none; ++j) {
        const double alpha =
            corrector_alpha(sde, step.t, step.steps, o.alpha, o.predictor_options.rounding);
        if (o.corrector == Corrector::langevin) {
          corrector.push_back(alpha);
        } else {
          append(corrector,
                 langevin_step(annealed_langevin_step_size(alpha, o.snr, sde.sigma(step.t))));
        }
      }
    }
    predictor_table_ = table(predictor, 3);
    if (!corrector.empty())
      corrector_table_ = table(corrector, o.corrector == Corrector::ald ? 3 : 1);
  }

  ops::StepResult predict(const Tensor& x, const Tensor& s, int step) const {
    return ops::affine_noise_step(x, s, predictor_table_, row(step), samples_, draw(),
                                  {.key = key(Purpose::predictor)});
  }
  ops::StepResult correct(const Tensor& x, const Tensor& s, int index) const {
    if (options_.corrector == Corrector::ald) {
      return ops::affine_noise_step(x, s, corrector_table_, row(index), samples_, draw(),
                                    {.key = key(Purpose::corrector)});
    }
    return ops::langevin_step(
        x, s, corrector_table_, row(index), samples_, draw(),
        {.snr = options_.snr, .norm = options_.norm, .key = key(Purpose::corrector)});
  }
  Tensor denoise(const Tensor& x, const Tensor& s, const StepCoef& c) const {
    std::vector<double> list;
    append(list, c);
    return ops::affine_noise_step(x, s, table(list, 3), row(0), samples_, Tensor(), {}).mean;
  }

 private:
  static void append(std::vector<double>& list, const StepCoef& c) {
    list.insert(list.end(), {c.x, c.score, c.noise});
  }
  Tensor table(const std::vector<double>& list, int64_t columns) const {
    return Tensor::from(list, {static_cast<int64_t>(list.size()) / columns, columns}, device_);
  }
  Tensor row(int64_t index) const {
    return Tensor::from(std::vector<int64_t>{index}, {1}, device_);
  }
  Tensor draw() const { return noise_.recorded ? noise_.recorded() : Tensor(); }
  NoiseKey key(Purpose purpose) const { return {noise_.seed, purpose, 0}; }

  const PcOptions& options_;
  const NoiseSource& noise_;
  Tensor samples_, predictor_table_, corrector_table_;
  Device device_;
};

void check_finite(const Tensor& x) {
  const Tensor host = ops::cast(x.to(kCpu), DType::f64);
  for (const double v : host.span<double>()) {
    if (std::isfinite(v)) continue;
    fail(ErrorCode::not_finite, "sampling", "the result is not finite",
         "use more sampling.steps or a smaller sampling.snr");
  }
}

}  // namespace

PcOptions pc_options(const SamplingConfig& c, const sde::Sde& sde) {
  c.validate();
  PcOptions o = common_options(c, sde::TimeGrid::uniform(sde.T(), end_time(c, sde), c.steps));
  o.norm = c.snr_norm == "batch_mean" ? ops::SnrNorm::batch_mean
           : c.snr_norm == "sqrt_dim" ? ops::SnrNorm::sqrt_dim
                                      : ops::SnrNorm::per_sample;
  o.denoise = c.denoise == "none"   ? Denoise::none
              : c.denoise == "mean" ? Denoise::mean
                                    : Denoise::tweedie;
  return o;
}

PcOptions reference_pc_options(const SamplingConfig& c, const sde::Sde& sde) {
  c.validate();
  PcOptions o = common_options(c, sde::TimeGrid::song_paper(sde.T(), end_time(c, sde), c.steps));
  o.predictor_options.rule = StepRule::table;
  o.predictor_options.rounding = sde::IndexRounding::truncate;
  o.norm = ops::SnrNorm::batch_mean;
  o.denoise = c.denoise == "none" ? Denoise::none : Denoise::mean;
  return o;
}

Tensor prior_sample(const sde::Sde& sde, const Shape& sample_shape,
                    const std::vector<int64_t>& samples, const NoiseSource& noise, DType dtype) {
  const Tensor indices = Tensor::from(samples, {static_cast<int64_t>(samples.size())});
  const Tensor z = noise.recorded ? noise.recorded()
                                  : ops::noise(indices, {.kind = ops::NoiseKind::normal,
                                                         .sample_shape = sample_shape,
                                                         .dtype = dtype,
                                                         .key = {noise.seed, Purpose::prior, 0}});
  return sde.prior_std() * z;
}

SampleResult sample_pc(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& start,
                       const std::vector<int64_t>& samples, const PcOptions& o,
                       const NoiseSource& noise, const Observer& observer) {
  const NoGradScope off;
  const Run run(sde, o, noise, samples, start.device());
  SampleResult result;
  Tensor x = start, mean = start;
  const auto evaluate = [&](double t) {
    ++result.evaluations;
    return score(x, std::span(&t, 1));
  };
  const int inner = o.corrector == Corrector::none ? 0 : o.corrector_steps;
  const bool predicts = o.predictor.name != "none";
  for (int i = 0; i < o.grid.steps() && result.finished; ++i) {
    const double t = o.grid.t(i);
    for (int j = 0; j < inner; ++j) {
      const ops::StepResult r = run.correct(x, evaluate(t), i * inner + j);
      x = r.x;
      mean = r.mean;
    }
    if (predicts) {
      const ops::StepResult r = run.predict(x, evaluate(t), i);
      x = r.x;
      mean = r.mean;
    } else {
      mean = x;
    }
    if (observer && observer({i, o.grid.steps(), t, x, mean}) == Verdict::stop)
      result.finished = false;
  }
  if (o.denoise == Denoise::mean) x = mean;
  if (o.denoise == Denoise::tweedie && result.finished) {
    // Without a predictor the state stays at the last time that the corrector saw.
    const double t = predicts ? o.grid.t(o.grid.steps()) : o.grid.t(o.grid.steps() - 1);
    x = run.denoise(x, evaluate(t), tweedie(sde, t));
  }
  check_finite(x);
  result.x = x;
  return result;
}

}  // namespace ito::samplers
