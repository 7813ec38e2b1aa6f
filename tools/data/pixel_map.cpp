#include "tools/data/pixel_map.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/check.h"
#include "tools/data/config.h"

namespace ito::data {

namespace {

constexpr double kMargin = 1e-6;      // a of the logit transform
constexpr float kPixelNoise = 0.01f;  // standard deviation of Gaussian dequantisation

}  // namespace

void dequantize(std::span<const uint8_t> bytes, NoiseKey key, uint32_t index,
                std::span<float> out) {
  fill_uniform(out, key, index);
  for (size_t k = 0; k < out.size(); ++k) {
    const float u = std::floor(out[k] * 65536.0f) / 65536.0f;
    out[k] = (float(bytes[k]) + u) / 256.0f;
  }
}

void add_pixel_noise(NoiseKey key, uint32_t index, std::span<float> x) {
  std::vector<float> z(x.size());
  fill_normal(z, key, index);
  for (size_t k = 0; k < x.size(); ++k) x[k] += kPixelNoise * z[k];
}

double logit_transform(std::span<float> x) {
  double sum = 0;
  for (float& v : x) {
    const double s = kMargin + (1 - 2 * kMargin) * std::clamp(double{v}, 0.0, 1.0);
    sum += std::log(1 - 2 * kMargin) - std::log(s) - std::log1p(-s);
    v = static_cast<float>(std::log(s) - std::log1p(-s));
  }
  return sum;
}

void undo_logit_transform(std::span<float> y) {
  for (float& v : y) {
    const double s = 1 / (1 + std::exp(-double{v}));
    v = static_cast<float>(std::clamp((s - kMargin) / (1 - 2 * kMargin), 0.0, 1.0));
  }
}

PixelMap pixel_map(const DataConfig& config) {
  return {.centered = config.centered, .logit = config.logit_transform};
}

PixelMap pixel_map(const Settings& of_a_model) {
  DataConfig config;
  Fields fields;
  config.fields(fields);
  fields.apply_known(of_a_model, "model");
  return pixel_map(config);
}

void to_network_range(PixelMap map, std::span<float> x) {
  ITO_CHECK(!(map.centered && map.logit), ValueError, "pixels are centered or logits");
  if (map.logit) logit_transform(x);
  if (!map.centered) return;
  for (float& v : x) v = 2 * v - 1;
}

void from_network_range(PixelMap map, std::span<float> x) {
  if (map.logit) undo_logit_transform(x);
  if (!map.centered) return;
  for (float& v : x) v = 0.5f * (v + 1);
}

}  // namespace ito::data
