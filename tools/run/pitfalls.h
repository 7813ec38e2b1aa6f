// Why one noise level is not enough (Song and Ermon 2019, section 3.2), on a mixture of two normals
// of weights 0.8 and 0.2 whose score is known at every noise level.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/data/image.h"

namespace ito::tools {

/// Slow mixing: Langevin dynamics at one noise level does not see the modes' weights.
struct MixingDemo {
  data::Image picture;  ///< true samples, plain Langevin, annealed Langevin
  /// Share of samples nearer to the mode of weight 0.8.
  double data = 0, plain = 0, annealed = 0;
};
MixingDemo show_slow_mixing(uint64_t seed, int points = 2000);

/// Low density: where there is no data, score matching at one small noise level learns nothing.
struct LowDensityDemo {
  data::Image picture;  ///< true field, learned field, error |s - s*| with the data
  /// Mean |s - s*| / mean |s*| over places of high and of low density.
  double error_near = 0, error_far = 0;
};
LowDensityDemo show_low_density(uint64_t seed, int64_t steps = 1500);

}  // namespace ito::tools
