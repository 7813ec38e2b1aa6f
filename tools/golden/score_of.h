// The score of a golden case, from its network or from the Gaussian that stands in for one.
#pragma once

#include <memory>

#include "sde/score.h"
#include "tools/golden/case_run.h"

namespace ito::golden {

/// What the case calls as its network, x [N, H, W, C] and labels [N] to an output like x,
/// differentiable in x. `info.model` = "network": that of `config`. "gaussian": the exact score of
/// data N(mu, s0^2 I) in the parametrisation that the samplers expect of a network (README of the
/// golden files). Throws Unknown for any other.
sde::NetworkFn network_of(const CaseRun& run);

/// How the case labels times: `info.continuous`, `info.N`, truncated indices.
sde::Labelling labelling_of(const CaseRun& run);

/// The score that the case's samplers see: make_score of the two above.
sde::ScoreFn score_of(const CaseRun& run, std::shared_ptr<const sde::Sde> sde);

}  // namespace ito::golden
