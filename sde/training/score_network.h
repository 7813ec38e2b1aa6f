// What an objective made of a network, for those who want its score.
#pragma once

#include <memory>
#include <span>

#include "models/network.h"
#include "sde/objectives/precondition.h"
#include "sde/score.h"
#include "sde/training/config.h"

namespace ito::sde {

/// The denoiser of objective `edm`.
Precondition precondition_of(const ObjectiveConfig& objective);

/// The network as make_score takes it: preconditioned after `edm`, the predicted noise alone after
/// objectives that learn variances, else itself.
NetworkFn score_network(NetworkFn network, const ObjectiveConfig& objective);

/// The network without dropout, told one class per image: in [0, network->classes()), or that
/// number for none. No classes: none has one. Throws ValueError for others.
NetworkFn told_network(std::shared_ptr<const nn::Network> network,
                       std::span<const int64_t> classes = {}, Device device = kCpu);

/// Classifier-free guidance (Ho and Salimans 2022, eq. 6): (1 + w) s(x, y) - w s(x), where `both`
/// is the score of 2 N images, N told their classes and the same N told none: one pass of the
/// network.
ScoreFn classifier_free_of_both(const ScoreFn& both, double weight);

}  // namespace ito::sde
