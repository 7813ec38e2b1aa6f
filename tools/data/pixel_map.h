// Pixels as the network sees them: bytes made continuous, then moved to the range of the SDE.
#pragma once

#include <cstdint>
#include <span>

#include "engine/core/settings.h"
#include "engine/random/noise.h"

namespace ito::data {

struct DataConfig;

/// (byte + u) / 256 with u uniform in [0, 1), drawn by `key` and the image's `index`. u comes in
/// steps of 2^-16, so that the sum is exact, stays below byte + 1, and the byte can be read back.
void dequantize(std::span<const uint8_t> bytes, NoiseKey key, uint32_t index, std::span<float> out);

/// x + 0.01 z with z normal, drawn by `key` and the image's `index`: NCSNv2's Gaussian
/// dequantisation. A byte is 0.0039 wide, so bytes cannot be read back.
void add_pixel_noise(NoiseKey key, uint32_t index, std::span<float> x);

/// y = log(s / (1 - s)) with s = a + (1 - 2 a) x and a = 1e-6, in place, for x in [0, 1] (what lies
/// outside is taken as the nearer end): NCSNv2's logit transform. Returns the sum of log dy/dx
/// = log(1 - 2 a) - log s - log(1 - s), which densities of x need: log p(x) = log p(y) + sum.
double logit_transform(std::span<float> x);
/// The inverse, in [0, 1]: x = (1 / (1 + exp(-y)) - a) / (1 - 2 a), in place, cut off at 0 and 1.
void undo_logit_transform(std::span<float> y);

/// How pixels in [0, 1] lie in the range of the network. At most one of the two.
struct PixelMap {
  bool centered = false;  ///< 2 x - 1
  bool logit = false;     ///< logit_transform
};
PixelMap pixel_map(const DataConfig& config);
PixelMap pixel_map(
    const Settings& of_a_model);  ///< by the keys data.centered, data.logit_transform
/// From [0, 1], in place.
void to_network_range(PixelMap map, std::span<float> x);
/// Back to [0, 1], in place; without a logit, values beyond the range stay beyond it.
void from_network_range(PixelMap map, std::span<float> x);

}  // namespace ito::data
