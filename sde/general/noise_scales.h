// Noise scales chosen from the data: techniques 1, 2 and 4 of Song and Ermon 2020, "Improved
// techniques for training score-based generative models" (arXiv 2006.09011).
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace ito::sde {

struct LargestNoise {
  double sigma_max;  ///< L2, in the units of the data
  int64_t rows;      ///< how many rows it is the largest distance of
};

/// Technique 1: sigma_max = the largest L2 distance between two rows of data [N, ...] (f32, bf16),
/// in the model's data range. Exact for N <= most_rows; otherwise that of most_rows rows drawn
/// without replacement by `seed`, a lower bound. Runs on the data's device. Throws ShapeError for
/// no rows, ValueError for most_rows < 2.
LargestNoise largest_noise(const Tensor& data, int64_t most_rows = 60'000, uint64_t seed = 0);

/// Technique 2: Phi(sqrt(2 D)(gamma - 1) + 3 gamma) - Phi(sqrt(2 D)(gamma - 1) - 3 gamma), how much
/// of one noise level's mass neighbours of ratio gamma share, for data of D dimensions. Falls from
/// 0.997 at gamma = 1.
double level_overlap(double gamma, int64_t dimension);
/// The ratio gamma > 1 of neighbouring levels with a given overlap in (0, 0.99): 0.5 is theirs.
double level_ratio(int64_t dimension, double overlap = 0.5);
/// Levels from sigma_max down to sigma_min whose ratio is gamma or a little less.
int level_count(double sigma_min, double sigma_max, double gamma);

/// Technique 4: the variance of the samples at the smallest level sigma_min over its target, after
/// `steps` Langevin steps with x' = x + e (sigma / sigma_min)^2 s + ..., when they start from the
/// level above, gamma times as noisy:
///   (1 - u)^(2 T) (gamma^2 - q) + q,  u = e / sigma_min^2,  q = 2 / (2 - u).
double langevin_variance_ratio(double step, double sigma_min, double gamma, int steps);
/// The step e in (0, sigma_min^2) whose ratio is nearest 1, which is its minimum.
double langevin_step_for(double sigma_min, double gamma, int steps);

}  // namespace ito::sde
