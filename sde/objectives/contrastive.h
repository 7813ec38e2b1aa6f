// Contrastive divergence (Hinton 2002): maximum likelihood of an energy-based model p(x) ~ e^-E(x)
// with a short Langevin chain in the place of samples of the model.
#pragma once

#include "sde/objectives/score_matching.h"

namespace ito::sde {

/// E of each sample: x [N, ...] to [N].
using EnergyAt = std::function<Tensor(const Tensor& x)>;

struct LangevinChain {
  int steps = 20;
  double step_size = 0.01;  ///< e > 0 in x' = x + e s + sqrt(2 e) z, data units squared
  double limit = 1e30;      ///< elements of s are clipped to [-limit, limit]: where a network's
                            ///< energy is steep, a step of finite size leaps over its minimum, and
                            ///< chains run away (after Du and Mordatch 2019, who clip, too)
  NoiseKey key;
};

/// The state after a chain from x [N, ...] with the score s = -dE/dx; off the tape. samples i64 [N]
/// choose the noise.
Tensor run_langevin(const ScoreAt& score, const Tensor& x, const Tensor& samples,
                    const LangevinChain& chain);

/// E(data) - E(model) of each sample [N], whose gradient is that of -ln p(data) for model samples
/// that have the model's distribution.
Tensor contrastive_losses(const EnergyAt& energy, const Tensor& data, const Tensor& model);

}  // namespace ito::sde
