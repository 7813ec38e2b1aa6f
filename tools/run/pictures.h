// Samples of a model, and pictures of them.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "samplers/sample.h"
#include "tools/data/image.h"
#include "tools/data/pixel_map.h"

namespace ito::tools {

/// What to sample from, and how.
struct SampleJob {
  sde::ScoreFn score;
  /// The score for a batch of samples, by their global indices, where it differs between them
  /// (conditions, guidance); null: `score`.
  std::function<sde::ScoreFn(const std::vector<int64_t>& samples)> score_of = {};
  std::shared_ptr<const sde::Sde> sde;
  Shape sample_shape;  ///< [H, W, C]
  samplers::SamplingConfig sampling;
  uint64_t seed = 0;
  int64_t batch = 64;          ///< samples per run of the sampler; does not change them
  Device device = kCpu;        ///< of the score
  bool reference = false;      ///< the published code to the letter (contracts: reference mode)
  data::PixelMap pixels = {};  ///< what makes pictures of samples
};

struct Drawn {
  Tensor x;                 ///< [N, H, W, C] in the SDE's data range
  int64_t evaluations = 0;  ///< of the score, of the sample that took most
  bool finished = true;     ///< false if the observer stopped the run
};

/// Samples with the global indices `seeds` in one run of the sampler, whatever job.batch says.
Drawn draw_batch(const SampleJob& job, const std::vector<int64_t>& seeds,
                 const samplers::Observer& observer = {});
/// The same in runs of job.batch samples. The observer sees every step of every batch, with the
/// number of samples done before; it must not stop the run.
Drawn draw(
    const SampleJob& job, const std::vector<int64_t>& seeds,
    const std::function<samplers::Verdict(const samplers::StepView&, int64_t)>& observer = {});
/// Classes of samples: the one with global index i has the (i mod size)-th of `classes`.
std::vector<int64_t> in_turn(const std::vector<int64_t>& classes,
                             const std::vector<int64_t>& samples);

/// Samples in the network's range as floats; the range becomes [0, 1].
std::vector<float> unit_range(const Tensor& samples, data::PixelMap pixels);
/// A grid of images (in the network's range) or a scatter plot of points. columns 0: about as many
/// as rows.
data::Image picture_of(const Tensor& samples, data::PixelMap pixels, int columns = 0);
/// How much pictures of that many pixels a side are magnified, so that a person sees something.
int magnification(int64_t size);

/// Rows: samples. Columns: `columns` states on the way from noise to the sample, the last one
/// final; fewer if the sampler takes fewer steps, or `watch` stops it.
data::Image trajectory_picture(const SampleJob& job, const std::vector<int64_t>& seeds, int columns,
                               const samplers::Observer& watch = {});

}  // namespace ito::tools
