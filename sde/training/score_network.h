// What an objective made of a network, for those who want its score.
#pragma once

#include "sde/objectives/precondition.h"
#include "sde/score.h"
#include "sde/training/config.h"

namespace ito::sde {

/// The denoiser of objective `edm`.
Precondition precondition_of(const ObjectiveConfig& objective);

/// The network as make_score takes it: preconditioned after `edm`, the predicted noise alone after
/// objectives that learn variances, else itself.
NetworkFn score_network(NetworkFn network, const ObjectiveConfig& objective);

}  // namespace ito::sde
