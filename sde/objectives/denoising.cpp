#include "sde/objectives/denoising.h"

#include <cmath>

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

Tensor denoising_losses(const NetworkFn& network, const Tensor& x0,
                        std::span<const NoiseLevel> levels, const Tensor& samples, NoiseKey key,
                        Reduction reduction, const Tensor& given) {
  ITO_CHECK(static_cast<int64_t>(levels.size()) == x0.size(0), ShapeError,
            "one noise level per sample", kv("N", x0.size(0)), kv("levels", levels.size()));
  std::vector<double> mean, std, label, k, weight;
  for (const NoiseLevel& l : levels) {
    mean.push_back(l.mean);
    std.push_back(l.std);
    label.push_back(l.label);
    k.push_back(l.k);
    weight.push_back(l.weight);
  }
  const auto tensor = [&](const std::vector<double>& v) { return per_sample(v, x0); };
  Tensor xt, z = given;
  if (z) {
    xt = over_samples(tensor(mean), x0) * x0 + over_samples(tensor(std), x0) * z;
  } else {
    const ops::Perturbed p = ops::perturb(x0, tensor(mean), tensor(std), samples, key);
    xt = p.x_t;
    z = p.z;
  }
  const Tensor error = over_samples(tensor(k), x0) * network(xt, tensor(label)) + z;
  const Tensor squares = ops::flatten(ops::square(error));  // [N, D]
  const Tensor reduced =
      reduction == Reduction::mean ? ops::mean(squares, {1}) : 0.5 * ops::sum(squares, {1});
  return reduced * tensor(weight);
}

}  // namespace ito::sde
