#include "sde/training/score_network.h"

#include "kernels/concat/op.h"
#include "kernels/scaled_sum/op.h"
#include "kernels/slice/op.h"
#include "sde/objectives/variational.h"

namespace ito::sde {

Precondition precondition_of(const ObjectiveConfig& objective) {
  return {.kind = PreconditionKind::edm, .sigma_data = objective.sigma_data};
}

NetworkFn score_network(NetworkFn network, const ObjectiveConfig& objective) {
  if (objective.kind == "edm") return precondition_of(objective).score(std::move(network));
  if (!objective.learns_variance()) return network;
  return [network = std::move(network)](const Tensor& x, const Tensor& labels) {
    return predicted_noise(network(x, labels));
  };
}

NetworkFn told_network(std::shared_ptr<const nn::Network> network, std::span<const int64_t> classes,
                       Device device) {
  for (const int64_t y : classes) {
    ITO_CHECK(y >= 0 && y <= network->classes(), ValueError, "the network has no such class",
              kv("class", y), kv("classes", network->classes()));
  }
  nn::ForwardOptions options;
  if (!classes.empty()) {
    const std::vector<int64_t> list(classes.begin(), classes.end());
    options.classes = Tensor::from(list, {std::ssize(list)}, device);
  }
  return [network = std::move(network), options](const Tensor& x, const Tensor& labels) {
    return network->forward(x, labels, options);
  };
}

ScoreFn classifier_free_of_both(const ScoreFn& both, double weight) {
  const auto combined = [weight](const Tensor& x, const auto& score_of) {
    const int64_t n = x.size(0);
    const Tensor s = score_of(ops::concat({x, x}, 0));
    return ops::scaled_sum(1 + weight, ops::slice(s, 0, 0, n), -weight, ops::slice(s, 0, n, 2 * n));
  };
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    std::vector<double> twice(t.begin(), t.end());
    if (t.size() > 1) twice.insert(twice.end(), t.begin(), t.end());
    return combined(x, [&](const Tensor& xx) { return both(xx, twice); });
  };
  if (!both.can_tabulate()) return ScoreFn(at_times);
  const auto tabulate = [=](std::span<const double> times, const Tensor& like) -> ScoreFn::AtRow {
    return [=, both = both.tabulate(times, like)](const Tensor& x, const Tensor& row) {
      return combined(x, [&](const Tensor& xx) { return both(xx, row); });
    };
  };
  return ScoreFn(at_times, tabulate);
}

}  // namespace ito::sde
