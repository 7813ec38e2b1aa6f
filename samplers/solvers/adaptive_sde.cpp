#include "samplers/solvers/adaptive_sde.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/noise/op.h"
#include "kernels/unary/op.h"
#include "samplers/solvers/rows.h"

namespace ito::samplers {
namespace {

struct Lane {
  double t, h;
  bool arrived = false;
};

class Adaptive {
 public:
  Adaptive(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
           const std::vector<int64_t>& samples, const AdaptiveOptions& o, const NoiseSource& noise)
      : score_(score),
        sde_(sde),
        options_(o),
        noise_(noise),
        eps_(o.eps > 0 ? o.eps : sde.sampling_eps()),
        samples_(Tensor::from(samples, {static_cast<int64_t>(samples.size())}, x.device())),
        x_(x),
        before_(x) {
    const double h = std::min(o.first_step, sde.T() - eps_);
    lanes_.assign(samples.size(), {.t = sde.T(), .h = h});
  }

  bool arrived() const { return std::ranges::all_of(lanes_, &Lane::arrived); }
  const Tensor& x() const { return x_; }
  double t() const { return lanes_.front().t; }
  double eps() const { return eps_; }

  void attempt(int64_t number) {
    std::vector<double> t, u, h;
    for (const Lane& lane : lanes_) {
      t.push_back(lane.t);
      h.push_back(lane.arrived ? 0 : lane.h);
      u.push_back(lane.t - h.back() <= eps_ ? eps_ : lane.t - h.back());
    }
    const Tensor z = draw(static_cast<uint32_t>(number));
    const Tensor euler = x_ + change(x_, t, h, z);
    const Tensor heun = 0.5 * (euler + x_ + change(euler, u, h, z));
    judge(errors(euler, heun), u, euler, heun);
  }

 private:
  /// h a(x, t) + sqrt(h) g(t) z, row by row.
  Tensor change(const Tensor& x, std::span<const double> t, std::span<const double> h,
                const Tensor& z) const {
    std::vector<double> of_x, of_score, of_noise;
    for (size_t n = 0; n < t.size(); ++n) {
      const double g2 = sde_.diffusion2(t[n]);
      of_x.push_back(-sde_.drift(t[n]) * h[n]);
      of_score.push_back(g2 * h[n]);
      of_noise.push_back(std::sqrt(g2 * h[n]));
    }
    const auto times = [&](const std::vector<double>& c, const Tensor& value) {
      return sde::over_samples(sde::per_sample(c, x), x) * value;
    };
    return times(of_x, x) + times(of_score, score_(x, t)) + times(of_noise, z);
  }
  Tensor draw(uint32_t number) const {
    if (noise_.recorded) return noise_.recorded();
    std::vector<int64_t> sample_shape;
    for (int i = 1; i < x_.rank(); ++i) sample_shape.push_back(x_.size(i));
    return ops::noise(samples_, {.kind = ops::NoiseKind::normal,
                                 .sample_shape = Shape(std::span<const int64_t>(sample_shape)),
                                 .dtype = x_.dtype(),
                                 .key = {noise_.seed, Purpose::predictor, number}});
  }
  std::vector<double> errors(const Tensor& euler, const Tensor& heun) const {
    const auto size = [](const Tensor& v) { return ops::unary(ops::UnaryKind::abs, v); };
    const Tensor atol = Tensor::full(Shape{1}, options_.atol, x_.dtype(), x_.device());
    const Tensor scale =
        ops::maximum(options_.rtol * ops::maximum(size(euler), size(before_)), atol);
    std::vector<double> list = mean_squares((euler - heun) / scale);
    for (double& v : list) v = std::sqrt(v);
    return list;
  }
  void judge(const std::vector<double>& error, const std::vector<double>& next, const Tensor& euler,
             const Tensor& heun) {
    std::vector<int64_t> pick;
    for (size_t n = 0; n < lanes_.size(); ++n) {
      Lane& lane = lanes_[n];
      const bool good = !lane.arrived && error[n] <= 1;
      pick.push_back(good ? 1 : 0);
      if (lane.arrived) continue;
      if (good) lane.t = next[n];
      lane.arrived = lane.t == eps_;
      // An error that is not finite must shorten the step, one of 0 must not make it infinite.
      const double e = std::isfinite(error[n]) ? std::max(error[n], 1e-12) : 1e12;
      const double longer = options_.safety * lane.h * std::pow(e, -options_.exponent);
      lane.h = std::min(lane.t - eps_, longer);
      if (!lane.arrived && lane.t - lane.h == lane.t) {
        fail(ErrorCode::not_finite, "adaptive solver",
             "finds no step at t = " + std::to_string(lane.t),
             "allow larger errors, or check the network");
      }
    }
    x_ = select_rows(x_, heun, pick);
    before_ = select_rows(before_, euler, pick);
  }

  const sde::ScoreFn& score_;
  const sde::Sde& sde_;
  const AdaptiveOptions& options_;
  const NoiseSource& noise_;
  const double eps_;
  const Tensor samples_;
  Tensor x_, before_;  // before: x' of the last accepted step
  std::vector<Lane> lanes_;
};

}  // namespace

SampleResult sample_adaptive(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                             const std::vector<int64_t>& samples, const AdaptiveOptions& o,
                             const NoiseSource& noise, const Observer& observer) {
  ITO_CHECK(o.rtol > 0 && o.atol > 0 && o.first_step > 0 && o.safety > 0 && o.exponent > 0,
            ValueError, "tolerances, the first step and its factors are positive",
            kv("rtol", o.rtol), kv("atol", o.atol), kv("first_step", o.first_step));
  ITO_CHECK(static_cast<int64_t>(samples.size()) == x.size(0), ShapeError, "one index per sample",
            kv("N", x.size(0)), kv("samples", samples.size()));
  const NoGradScope off;
  Adaptive run(score, sde, x, samples, o, noise);
  SampleResult result;
  for (int64_t i = 0; !run.arrived() && result.finished; ++i) {
    if (i == o.most_steps) {
      fail(ErrorCode::not_finite, "adaptive solver", "has taken " + std::to_string(i) + " steps",
           "allow larger errors, or check the network");
    }
    run.attempt(i);
    result.evaluations += 2;
    if (observer &&
        observer({static_cast<int>(i), 0, run.t(), run.x(), run.x()}) == Verdict::stop) {
      result.finished = false;
    }
  }
  result.x = run.x();
  if (o.denoise == Denoise::tweedie && result.finished) {
    result.x = denoise_tweedie(score, sde, result.x, run.eps());
    ++result.evaluations;
  }
  check_finite(result.x);
  return result;
}

}  // namespace ito::samplers
