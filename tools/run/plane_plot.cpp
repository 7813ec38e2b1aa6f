#include "tools/run/plane_plot.h"

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"
#include "tools/data/grid.h"

namespace ito::tools {

PlanePlot::PlanePlot(int pixels, float half_width)
    : pixels_(pixels),
      half_width_(half_width),
      scale_(static_cast<float>(pixels) / (2 * half_width)),
      rgb_(static_cast<size_t>(pixels) * static_cast<size_t>(pixels) * 3, 1.0f) {
  ITO_CHECK(pixels >= 1 && half_width > 0, ValueError, "a plot has a size", kv("pixels", pixels),
            kv("half_width", half_width));
}

void PlanePlot::blend(int column, int row, Colour colour, float opacity) {
  if (column < 0 || row < 0 || column >= pixels_ || row >= pixels_) return;
  float* pixel = rgb_.data() + 3 * (static_cast<size_t>(row) * static_cast<size_t>(pixels_) +
                                    static_cast<size_t>(column));
  const float target[3] = {colour.r, colour.g, colour.b};
  for (int c = 0; c < 3; ++c) pixel[c] += opacity * (target[c] - pixel[c]);
}

void PlanePlot::dots(std::span<const float> xy, Colour colour, float radius, float opacity) {
  const float reach = radius + 0.5f;  // the edge is smoothed over one pixel
  for (size_t i = 0; i + 1 < xy.size(); i += 2) {
    // Written so that not-a-number fails too.
    if (!(std::abs(xy[i]) <= half_width_ && std::abs(xy[i + 1]) <= half_width_)) continue;
    const float x = column_of(xy[i]), y = row_of(xy[i + 1]);
    for (int row = static_cast<int>(y - reach); row <= static_cast<int>(y + reach); ++row) {
      for (int column = static_cast<int>(x - reach); column <= static_cast<int>(x + reach);
           ++column) {
        const float distance =
            std::hypot(static_cast<float>(column) + 0.5f - x, static_cast<float>(row) + 0.5f - y);
        blend(column, row, colour, opacity * std::clamp(reach - distance, 0.0f, 1.0f));
      }
    }
  }
}

void PlanePlot::line(float x0, float y0, float x1, float y1, Colour colour) {
  // Every pixel near the segment, darkest on it: coverage falls to 0 within 1.2 pixels.
  const float dx = x1 - x0, dy = y1 - y0, squared = dx * dx + dy * dy;
  const auto low = [](float a, float b) { return static_cast<int>(std::min(a, b)) - 2; };
  const auto high = [](float a, float b) { return static_cast<int>(std::max(a, b)) + 2; };
  for (int row = low(y0, y1); row <= high(y0, y1); ++row) {
    for (int column = low(x0, x1); column <= high(x0, x1); ++column) {
      const float px = static_cast<float>(column) + 0.5f - x0;
      const float py = static_cast<float>(row) + 0.5f - y0;
      const float along = squared > 0 ? std::clamp((px * dx + py * dy) / squared, 0.0f, 1.0f) : 0;
      const float distance = std::hypot(px - along * dx, py - along * dy);
      blend(column, row, colour, std::clamp(1.2f - distance, 0.0f, 1.0f));
    }
  }
}

void PlanePlot::arrow(float x, float y, float dx, float dy, Colour colour) {
  if (!std::isfinite(x + y + dx + dy)) return;
  const float x0 = column_of(x), y0 = row_of(y), x1 = column_of(x + dx), y1 = row_of(y + dy);
  line(x0, y0, x1, y1, colour);
  const float length = std::hypot(x1 - x0, y1 - y0);
  if (length < 3) return;
  const float head = std::min(4.0f, 0.45f * length);
  const float ux = (x1 - x0) / length, uy = (y1 - y0) / length;
  for (const float side : {-0.6f, 0.6f}) {
    line(x1, y1, x1 - head * (ux - side * uy), y1 - head * (uy + side * ux), colour);
  }
}

void PlanePlot::heat(std::span<const float> values, int side) {
  ITO_CHECK(side >= 1 && values.size() == static_cast<size_t>(side) * static_cast<size_t>(side),
            ValueError, "a value per cell", kv("side", side), kv("values", values.size()));
  const float cell = static_cast<float>(pixels_) / static_cast<float>(side);
  const auto at = [&](int row, int column) {
    row = std::clamp(row, 0, side - 1);
    column = std::clamp(column, 0, side - 1);
    const float v = values[static_cast<size_t>(row * side + column)];
    return v > 0 ? std::min(v, 1.0f) : 0.0f;
  };
  for (int row = 0; row < pixels_; ++row) {
    for (int column = 0; column < pixels_; ++column) {
      const float y = (static_cast<float>(row) + 0.5f) / cell - 0.5f;
      const float x = (static_cast<float>(column) + 0.5f) / cell - 0.5f;
      const int r = static_cast<int>(std::floor(y)), c = static_cast<int>(std::floor(x));
      const float v = y - static_cast<float>(r), u = x - static_cast<float>(c);
      const float value = (1 - v) * ((1 - u) * at(r, c) + u * at(r, c + 1)) +
                          v * ((1 - u) * at(r + 1, c) + u * at(r + 1, c + 1));
      const float light = 1 - value;
      blend(column, row, {light * light, light, std::sqrt(light)}, 1);
    }
  }
}

data::Image PlanePlot::image() const {
  return {{pixels_, pixels_, 3}, data::to_bytes(rgb_, data::Rounding::nearest)};
}

std::vector<float> grid_points(int side, float half_width) {
  std::vector<float> points;
  const float cell = 2 * half_width / static_cast<float>(side);
  for (int row = 0; row < side; ++row) {
    for (int column = 0; column < side; ++column) {
      points.push_back((static_cast<float>(column) + 0.5f) * cell - half_width);
      points.push_back(half_width - (static_cast<float>(row) + 0.5f) * cell);
    }
  }
  return points;
}

void draw_field(PlanePlot& plot, std::span<const float> points, std::span<const float> vectors,
                float cell) {
  float mean = 0;
  for (size_t i = 0; i < vectors.size(); i += 2) mean += std::hypot(vectors[i], vectors[i + 1]);
  mean /= static_cast<float>(std::max<size_t>(1, vectors.size() / 2));
  for (size_t i = 0; i < vectors.size(); i += 2) {
    const float factor = cell / (std::hypot(vectors[i], vectors[i + 1]) + mean);
    plot.arrow(points[i], points[i + 1], factor * vectors[i], factor * vectors[i + 1],
               PlanePlot::kRed);
  }
}

data::Image side_by_side(const std::vector<data::Image>& images) {
  std::vector<uint8_t> bytes;
  for (const data::Image& image : images) {
    bytes.insert(bytes.end(), image.bytes.begin(), image.bytes.end());
  }
  return data::make_grid(bytes, images.at(0).shape,
                         {.columns = static_cast<int>(images.size()), .margin = 4});
}

}  // namespace ito::tools
