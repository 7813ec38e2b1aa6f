// The way from noise to samples as a moving picture.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tools/run/pictures.h"

namespace ito::tools {

/// Frames of one size. Left: the states x, centred, and scaled from the spread of the noise to the
/// range of the data as the noise goes. Right: what the network takes the sample for at that time,
/// E[x_0 | x] = (x + sigma^2 s) / alpha (Tweedie's formula). They are taken from evaluations of the
/// score that the sampler makes anyway, spread evenly over its steps, or over time where it chooses
/// its steps. The last frame shows the finished samples on both sides. At most `frames` of them;
/// fewer if the sampler takes fewer steps, or `watch` stops it.
std::vector<data::Image> trajectory_frames(const SampleJob& job, const std::vector<int64_t>& seeds,
                                           int frames, const samplers::Observer& watch = {});

/// The same moments side by side, from noise to the finished samples in the last of at most
/// `columns` columns: for each sample a row of states, and below it a row of estimates. Images
/// only. Nothing if `watch` stops the sampler.
std::optional<data::Image> trajectory_sheet(const SampleJob& job, const std::vector<int64_t>& seeds,
                                            int columns, const samplers::Observer& watch = {});

/// How many samples of that many pixels a side a moving picture shows at most.
int64_t samples_in_animation(int64_t size);

struct WebpOptions {
  enum class Coding : uint8_t { lossless, lossy };

  Coding coding = Coding::lossless;
  int frame_ms = 60;  ///< how long a frame is shown
  int last_ms = 2000;
};

/// The frames as an animated WebP file that runs for ever; equal neighbours become one. Throws
/// ValueError unless they have one size of 1 to 16383 pixels a side.
std::vector<uint8_t> encode_webp(const std::vector<data::Image>& frames,
                                 const WebpOptions& options = {});

}  // namespace ito::tools
