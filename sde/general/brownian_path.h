// Brownian motion that can be looked at more and more closely.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::sde {

struct BrownianConfig {
  double T = 1;                       ///< length of the path
  Shape sample_shape;                 ///< of one sample, without the batch
  std::vector<int64_t> samples = {};  ///< global indices, which pick the paths
  uint64_t seed = 0;
  Purpose purpose = Purpose::forward_noise;
  DType dtype = DType::f32;
  Device device = kCpu;
};

/// Standard Brownian motion on [0, T], one for each sample and element, known at the multiples of
/// T 2^-level for every level: the increments of level l + 1 halve those of level l by Levy's
/// midpoint construction (Levy 1948),
///   W(t + h/2) - W(t) = (W(t + h) - W(t)) / 2 + sqrt(h) z / 2,
/// with z by counter. So the same path can be followed with a step of any T 2^-level, and strong
/// errors measured.
class BrownianPath {
 public:
  /// Throws ValueError unless T > 0 and there are samples.
  explicit BrownianPath(BrownianConfig config);

  /// The 2^level increments [N, sample_shape...] of a level in [0, 20]; pairs of a level add up to
  /// the increments of the level before. Throws ValueError.
  std::vector<Tensor> increments(int level) const;
  double step(int level) const;  ///< T 2^-level

 private:
  Tensor noise(uint32_t node) const;

  BrownianConfig config_;
  Tensor samples_;
};

}  // namespace ito::sde
