// Do samples repeat training images?
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"

namespace ito::metrics {

/// Distances (L2) to the nearest training image: of samples, and of images that were held out. A
/// model that generalises keeps both alike; copies have far smaller ones.
struct Memorization {
  double sample_median = 0;    ///< of the samples' distances
  double held_out_median = 0;  ///< of the held-out images' distances
  /// Share of the samples that are nearer than 99 % of the held-out images; 0.01 is expected.
  double near_copies = 0;
  int64_t closest_sample = 0, closest_image = 0;  ///< the nearest pair, by row
  double closest_distance = 0;

  double ratio() const { return sample_median / held_out_median; }  ///< about 1, or below: copying
};

/// Rows of one size, f32 or f64, on one device. Throws ShapeError, also for sets without rows.
Memorization memorization(const Tensor& samples, const Tensor& training, const Tensor& held_out);

}  // namespace ito::metrics
