#include "sde/training/score_network.h"

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

}  // namespace ito::sde
