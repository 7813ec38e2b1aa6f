// When a training run draws grids of samples, and how two of them are shown.
#pragma once

#include <cstdint>

#include "samplers/config.h"
#include "tools/data/image.h"

namespace ito::tools {

/// Likely cost of `samples` samples in training steps of `batch` images: a forward pass takes a
/// third of a training step's time. Infinity where the sampler chooses its own number of steps.
double grid_cost(const samplers::SamplingConfig& sampling, int64_t samples, int64_t batch);

/// Share of the training steps that pictures besides the regular grids may cost.
inline constexpr double kPictureShare = 0.04;

/// Grids are drawn at step 0 and every `every` steps (0: never). Before the first of these there
/// are early ones at 10, 20, 50, 100, 200, 500, ...: as many of the last of them as cost at most
/// 4 % of the steps until then.
class GridSchedule {
 public:
  /// `cost`: of one early grid, in training steps; infinity: no early grids.
  GridSchedule(int64_t every, double cost);
  bool due(int64_t step) const;

 private:
  int64_t every_;
  int64_t first_early_;
};

/// Two pictures of one height and number of channels in one.
data::Image side_by_side(const data::Image& left, const data::Image& right);

}  // namespace ito::tools
