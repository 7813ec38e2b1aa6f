#include "samplers/controllable/guidance.h"

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/gather/op.h"
#include "kernels/scaled_sum/op.h"

namespace ito::samplers {
namespace {

using sde::ScoreFn;

/// a f + b g.
ScoreFn combination(double a, const ScoreFn& f, double b, const ScoreFn& g) {
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    return ops::scaled_sum(a, f(x, t), b, g(x, t));
  };
  if (!f.can_tabulate() || !g.can_tabulate()) return ScoreFn(at_times);
  const auto tabulate = [=](std::span<const double> times, const Tensor& like) -> ScoreFn::AtRow {
    return [=, f = f.tabulate(times, like), g = g.tabulate(times, like)](const Tensor& x,
                                                                         const Tensor& row) {
      return ops::scaled_sum(a, f(x, row), b, g(x, row));
    };
  };
  return ScoreFn(at_times, tabulate);
}

/// alpha(t), and the inverse of the variance of alpha y - A x, at some times.
struct Factors {
  std::vector<double> alpha, precision;

  Factors(const sde::Sde& sde, double sigma_y, std::span<const double> times) {
    for (const double t : times) {
      const double a = sde.alpha(t), s = sde.sigma(t);
      alpha.push_back(a);
      precision.push_back(1 / (a * a * sigma_y * sigma_y + s * s));
    }
  }
};

}  // namespace

ScoreFn guided(const ScoreFn& score, const Guidance& guidance, double weight) {
  return combination(1, score, weight, guidance);
}

ScoreFn classifier_free(const ScoreFn& conditional, const ScoreFn& unconditional, double weight) {
  return combination(1 + weight, conditional, -weight, unconditional);
}

Guidance likelihood_guidance(std::shared_ptr<const sde::Sde> sde,
                             const LinearMeasurement& measurement, const Tensor& y,
                             double sigma_y) {
  const auto gradient = [=](const Tensor& x, const Tensor& known, const Tensor& alpha,
                            const Tensor& precision) {
    return measurement.adjoint(known * alpha - measurement.apply(x)) * precision;
  };
  const auto like_state = [=](const Tensor& like) {
    return ops::cast(y, like.dtype()).to(like.device());
  };
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    const Factors f(*sde, sigma_y, t);
    const Tensor known = like_state(x);
    return gradient(x, known, sde::over_samples(sde::per_sample(f.alpha, x), known),
                    sde::over_samples(sde::per_sample(f.precision, x), x));
  };
  const auto tabulate = [=](std::span<const double> times, const Tensor& like) -> ScoreFn::AtRow {
    const Factors f(*sde, sigma_y, times);
    const auto column = [&](const std::vector<double>& list) {
      const Tensor host = Tensor::from(list, {static_cast<int64_t>(list.size())});
      return ops::cast(host, like.dtype()).to(like.device());
    };
    return [=, known = like_state(like), alpha = column(f.alpha), precision = column(f.precision)](
               const Tensor& x, const Tensor& row) {
      return gradient(x, known, ops::gather(alpha, row), ops::gather(precision, row));
    };
  };
  return Guidance(at_times, tabulate);
}

}  // namespace ito::samplers
