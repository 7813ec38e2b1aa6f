#include "sde/objectives/denoising.h"

#include <cmath>

#include "engine/core/settings.h"
#include "kernels/binary/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::sde {

NoiseLevel continuous_level(const Sde& sde, double t, Weighting weighting) {
  const double std = sde.sigma(t);
  const double weight = weighting == Weighting::std2 ? 1.0 : sde.diffusion2(t) / (std * std);
  const double scale = sde.score_scale(t, Labels::continuous, 1);
  return {.mean = sde.alpha(t),
          .std = std,
          .label = sde.network_label(t, Labels::continuous, 1),
          .k = scale * std,
          .weight = weight};
}

NoiseLevel discrete_level(const Sde& sde, int i, int levels) {
  ITO_CHECK(i >= 0 && i < levels, ValueError, "no such noise level", kv("i", i),
            kv("levels", levels));
  if (sde.name() == "subvp") {
    fail(ErrorCode::bad_combination, "objective.continuous",
         "false, but the sub-VP SDE has no discrete objective", "set objective.continuous = true");
  }
  const bool descending = sde.name() == "ve";
  const int table_index = descending ? levels - 1 - i : i;
  const double t = levels > 1 ? sde.T() * table_index / (levels - 1.0) : sde.T();
  const Discretization d = sde.discretize(t, levels);
  return {.mean = std::sqrt(d.alpha_bar_k),
          .std = d.sigma_k,
          .label = static_cast<double>(i),
          .k = descending ? d.sigma_k : -1.0,
          .weight = 1};
}

double time_of_sigma(const Sde& sde, double sigma) {
  double low = 0, high = sde.T();
  if (!(sigma >= sde.sigma(low) && sigma <= sde.sigma(high))) {
    fail(ErrorCode::bad_value, "objective.sigma", "is " + to_string(SettingValue(sigma)),
         "use a noise level of the SDE, " + to_string(SettingValue(sde.sigma(low))) + " to " +
             to_string(SettingValue(sde.sigma(high))));
  }
  for (int i = 0; i < 100; ++i) {  // sigma(t) rises; more halvings than a double has bits
    const double middle = 0.5 * (low + high);
    (sde.sigma(middle) < sigma ? low : high) = middle;
  }
  return high;
}

NoiseLevel single_level(const Sde& sde, double sigma) {
  NoiseLevel level = continuous_level(sde, time_of_sigma(sde, sigma), Weighting::std2);
  level.weight = 1 / (level.std * level.std);
  return level;
}

LevelTensors::LevelTensors(std::span<const NoiseLevel> levels, const Tensor& like) {
  ITO_CHECK(static_cast<int64_t>(levels.size()) == like.size(0), ShapeError,
            "one noise level per sample", kv("N", like.size(0)), kv("levels", levels.size()));
  const auto column = [&](double NoiseLevel::*member) {
    std::vector<double> values;
    for (const NoiseLevel& level : levels) values.push_back(level.*member);
    return per_sample(values, like);
  };
  mean = column(&NoiseLevel::mean);
  std = column(&NoiseLevel::std);
  label = column(&NoiseLevel::label);
  k = column(&NoiseLevel::k);
  weight = column(&NoiseLevel::weight);
}

Tensor denoising_losses(const NetworkFn& network, const Tensor& x0,
                        std::span<const NoiseLevel> levels, const Tensor& samples, NoiseKey key,
                        Reduction reduction, const Tensor& given) {
  const LevelTensors at(levels, x0);
  Tensor xt, z = given;
  if (z) {
    xt = over_samples(at.mean, x0) * x0 + over_samples(at.std, x0) * z;
  } else {
    const ops::Perturbed p = ops::perturb(x0, at.mean, at.std, samples, key);
    xt = p.x_t;
    z = p.z;
  }
  const Tensor error = over_samples(at.k, x0) * network(xt, at.label) + z;
  const Tensor squares = ops::flatten(ops::square(error));  // [N, D]
  const Tensor reduced =
      reduction == Reduction::mean ? ops::mean(squares, {1}) : 0.5 * ops::sum(squares, {1});
  return reduced * at.weight;
}

}  // namespace ito::sde
