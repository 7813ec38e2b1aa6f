#include "sde/score.h"

#include <algorithm>
#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/cast/op.h"
#include "kernels/gather/op.h"
#include "kernels/reshape/op.h"

namespace ito::sde {

Tensor per_sample(std::span<const double> values, const Tensor& like) {
  const auto n = static_cast<size_t>(like.size(0));
  ITO_CHECK(values.size() == 1 || values.size() == n, ShapeError,
            "one value for all samples, or one for each", kv("N", n), kv("values", values.size()));
  std::vector<double> list(values.begin(), values.end());
  if (list.size() == 1) list.resize(n, list[0]);
  return ops::cast(Tensor::from(list, {like.size(0)}), like.dtype()).to(like.device());
}

Tensor over_samples(const Tensor& values, const Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.rank()), 1);
  shape[0] = like.size(0);
  return ops::reshape(values, Shape(std::span<const int64_t>(shape)));
}

namespace {

/// What the network is told, and what its output is multiplied with, at each of some times.
struct Scaling {
  std::vector<double> labels, scales;

  Scaling(const Sde& sde, Labelling how, std::span<const double> t) {
    for (const double time : t) {
      const double label = sde.network_label(time, how.labels, how.levels);
      const bool whole = how.labels == Labels::discrete && how.rounding == IndexRounding::nearest;
      labels.push_back(whole ? std::round(label) : label);
      scales.push_back(sde.score_scale(time, how.labels, how.levels, how.rounding));
    }
  }
  bool is_one() const {
    return std::ranges::all_of(scales, [](double c) { return c == 1; });
  }
};

/// values [S] on `like`'s device, rounded as per_sample rounds them.
Tensor column(const std::vector<double>& values, const Tensor& like) {
  const Tensor host = Tensor::from(values, {static_cast<int64_t>(values.size())});
  return ops::cast(host, like.dtype()).to(like.device());
}

}  // namespace

ScoreFn make_score(NetworkFn network, std::shared_ptr<const Sde> sde, Labelling how) {
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    const Scaling s(*sde, how, t);
    const Tensor y = network(x, per_sample(s.labels, x));
    return s.is_one() ? y : y * over_samples(per_sample(s.scales, x), x);
  };
  const auto tabulate = [=](std::span<const double> times, const Tensor& like) -> ScoreFn::AtRow {
    const Scaling s(*sde, how, times);
    const Tensor labels = column(s.labels, like);
    const Tensor scales = s.is_one() ? Tensor() : column(s.scales, like);
    return [=](const Tensor& x, const Tensor& row) {
      const Shape one_each{x.size(0)};
      const Tensor y = network(x, ops::broadcast_to(ops::gather(labels, row), one_each));
      if (!scales) return y;
      return y * over_samples(ops::broadcast_to(ops::gather(scales, row), one_each), x);
    };
  };
  return ScoreFn(at_times, tabulate);
}

}  // namespace ito::sde
