#include "tools/data/grid.h"

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"

namespace ito::data {

namespace {

/// Repeats every pixel scale x scale times.
Image enlarged(const Image& small, int scale) {
  const size_t factor = size_t(scale), channels = size_t(small.shape.channels);
  Image large;
  large.shape = {small.shape.height * scale, small.shape.width * scale, small.shape.channels};
  large.bytes.reserve(large.shape.numel());
  for (size_t y = 0; y < size_t(large.shape.height); ++y) {
    for (size_t x = 0; x < size_t(large.shape.width); ++x) {
      const size_t at = (y / factor * size_t(small.shape.width) + x / factor) * channels;
      large.bytes.insert(large.bytes.end(), small.bytes.begin() + ptrdiff_t(at),
                         small.bytes.begin() + ptrdiff_t(at + channels));
    }
  }
  return large;
}

/// Blends one dot into the plot; its edge is smoothed over one pixel.
void draw_dot(std::vector<float>& rgb, int size, float x, float y, const ScatterOptions& options) {
  constexpr float kInk[3] = {0.10f, 0.25f, 0.60f};
  const float reach = options.dot_radius + 0.5f;
  const auto first = [&](float v) { return std::clamp(int(std::floor(v - reach)), 0, size); };
  const auto last = [&](float v) { return std::clamp(int(std::ceil(v + reach)), 0, size); };
  for (int row = first(y); row < last(y); ++row) {
    for (int column = first(x); column < last(x); ++column) {
      const float distance = std::hypot(float(column) + 0.5f - x, float(row) + 0.5f - y);
      const float opacity = options.dot_opacity * std::clamp(reach - distance, 0.0f, 1.0f);
      float* pixel = rgb.data() + 3 * (size_t(row) * size_t(size) + size_t(column));
      for (int c = 0; c < 3; ++c) pixel[c] += opacity * (kInk[c] - pixel[c]);
    }
  }
}

}  // namespace

std::vector<uint8_t> to_bytes(std::span<const float> values, Rounding rounding) {
  const float offset = rounding == Rounding::nearest ? 0.5f : 0.0f;
  std::vector<uint8_t> bytes(values.size());
  std::transform(values.begin(), values.end(), bytes.begin(), [&](float v) -> uint8_t {
    if (!(v > 0)) return 0;
    return static_cast<uint8_t>(std::min(v * 255.0f, 255.0f) + offset);
  });
  return bytes;
}

Image make_grid(std::span<const uint8_t> nhwc, ImageShape shape, const GridOptions& options) {
  ITO_CHECK(shape.numel() > 0 && !nhwc.empty() && nhwc.size() % shape.numel() == 0, ValueError,
            "a grid needs whole images", kv("bytes", nhwc.size()), kv("per image", shape.numel()));
  const size_t count = nhwc.size() / shape.numel();
  ITO_CHECK((shape.channels == 1 || shape.channels == 3) && options.columns >= 0 &&
                options.margin >= 0 && options.scale >= 1,
            ValueError, "a grid needs 1 or 3 channels, columns and margin >= 0, scale >= 1",
            kv("channels", shape.channels), kv("columns", options.columns),
            kv("margin", options.margin), kv("scale", options.scale));
  const size_t columns =
      options.columns > 0 ? size_t(options.columns) : size_t(std::ceil(std::sqrt(double(count))));
  const size_t rows = (count + columns - 1) / columns;
  const size_t margin = size_t(options.margin), channels = size_t(shape.channels);
  const size_t height = size_t(shape.height), width = size_t(shape.width);
  Image grid;
  grid.shape = {int(rows * (height + margin) + margin), int(columns * (width + margin) + margin),
                shape.channels};
  grid.bytes.assign(grid.shape.numel(), options.background);
  for (size_t i = 0; i < count; ++i) {
    const size_t top = margin + i / columns * (height + margin);
    const size_t left = margin + i % columns * (width + margin);
    for (size_t y = 0; y < height; ++y) {
      std::copy_n(nhwc.data() + i * shape.numel() + y * width * channels, width * channels,
                  grid.bytes.data() + ((top + y) * size_t(grid.shape.width) + left) * channels);
    }
  }
  return options.scale == 1 ? grid : enlarged(grid, options.scale);
}

Image scatter_plot(std::span<const float> xy, const ScatterOptions& options) {
  ITO_CHECK(xy.size() % 2 == 0, ValueError, "points have two coordinates", kv("values", xy.size()));
  ITO_CHECK(options.size >= 1 && options.size <= 8192 && options.half_width > 0 &&
                options.dot_radius > 0 && options.dot_radius <= 64 && options.dot_opacity > 0 &&
                options.dot_opacity <= 1,
            ValueError, "a scatter plot needs a size, a width, and dots that can be seen",
            kv("size", options.size), kv("half_width", options.half_width),
            kv("dot_radius", options.dot_radius), kv("dot_opacity", options.dot_opacity));
  std::vector<float> rgb(size_t(options.size) * size_t(options.size) * 3, 1.0f);
  const float pixels_per_unit = float(options.size) / (2 * options.half_width);
  for (size_t i = 0; i < xy.size(); i += 2) {
    const float x = xy[i], y = xy[i + 1];
    // Written so that not-a-number fails too.
    if (!(std::abs(x) <= options.half_width && std::abs(y) <= options.half_width)) continue;
    draw_dot(rgb, options.size, (options.half_width + x) * pixels_per_unit,
             (options.half_width - y) * pixels_per_unit, options);
  }
  return {{options.size, options.size, 3}, to_bytes(rgb, Rounding::nearest)};
}

}  // namespace ito::data
