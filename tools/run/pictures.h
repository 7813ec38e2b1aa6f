// Samples of a model, and pictures of them.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "samplers/pc.h"
#include "tools/data/image.h"

namespace ito::tools {

/// What to sample from, and how.
struct SampleJob {
  sde::ScoreFn score;
  std::shared_ptr<const sde::Sde> sde;
  Shape sample_shape;  ///< [H, W, C]
  samplers::SamplingConfig sampling;
  uint64_t seed = 0;
  int64_t batch = 64;      ///< samples per run of the sampler; does not change them
  Device device = kCpu;    ///< of the score
  bool reference = false;  ///< the published code to the letter (contracts: reference mode)
};

/// Samples with the global indices `seeds`, [N, H, W, C] in the SDE's data range. The observer sees
/// every step of every batch, with the number of samples done before.
Tensor draw_samples(
    const SampleJob& job, const std::vector<int64_t>& seeds,
    const std::function<samplers::Verdict(const samplers::StepView&, int64_t)>& observer = {});

/// A grid of images (in the data range of the SDE) or a scatter plot of points.
data::Image picture_of(const Tensor& samples, bool centered);

/// Rows: samples. Columns: `columns` states on the way from noise to the sample, the last one
/// final; fewer if the sampler takes fewer steps.
data::Image trajectory_picture(const SampleJob& job, const std::vector<int64_t>& seeds,
                               int columns);

}  // namespace ito::tools
