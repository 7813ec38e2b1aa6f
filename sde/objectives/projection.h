// Random directions v for estimates v' A v of traces and v' s of norms.
#pragma once

#include <vector>

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::sde {

/// How directions in d dimensions are drawn. All but unit_sphere have E[v v'] = I, so that
/// E[v' A v] = tr A. On the unit sphere E[v v'] = I / d, which scales a whole objective by 1 / d
/// (the multi-particle functions of Song et al. 2019, "Sliced Score Matching", use it).
enum class Projection : uint8_t {
  rademacher,   ///< +1 and -1
  gaussian,     ///< N(0, I)
  sphere,       ///< uniform on the sphere of radius sqrt(d)
  unit_sphere,  ///< uniform on the sphere of radius 1
};

/// `count` directions for every sample of x [N, ...], each a tensor like x. `samples` i64 [N] and
/// the key choose them; a sample's directions do not depend on the batch around it. Throws
/// ValueError unless count >= 1.
std::vector<Tensor> draw_projections(Projection kind, const Tensor& x, const Tensor& samples,
                                     int count, NoiseKey key);

}  // namespace ito::sde
