#include "sde/score.h"

#include <algorithm>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reshape/op.h"

namespace ito::sde {

Tensor per_sample(std::span<const double> values, const Tensor& like) {
  const auto n = static_cast<size_t>(like.size(0));
  ITO_CHECK(values.size() == 1 || values.size() == n, ShapeError,
            "one value for all samples, or one for each", kv("N", n), kv("values", values.size()));
  std::vector<double> list(values.begin(), values.end());
  if (list.size() == 1) list.resize(n, list[0]);
  return ops::cast(Tensor::from(list, {like.size(0)}, like.device()), like.dtype());
}

Tensor over_samples(const Tensor& values, const Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.rank()), 1);
  shape[0] = like.size(0);
  return ops::reshape(values, Shape(std::span<const int64_t>(shape)));
}

ScoreFn make_score(NetworkFn network, std::shared_ptr<const Sde> sde, Labelling how) {
  return [network = std::move(network), sde = std::move(sde), how](const Tensor& x,
                                                                   std::span<const double> t) {
    std::vector<double> labels, scales;
    for (const double time : t) {
      labels.push_back(sde->network_label(time, how.labels, how.levels));
      scales.push_back(sde->score_scale(time, how.labels, how.levels, how.rounding));
    }
    const Tensor y = network(x, per_sample(labels, x));
    if (std::ranges::all_of(scales, [](double c) { return c == 1; })) return y;
    return y * over_samples(per_sample(scales, x), x);
  };
}

}  // namespace ito::sde
