// Pictures made of many: contact sheets of images, scatter plots of points.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/data/image.h"

namespace ito::data {

/// How a value v in [0, 1] becomes a byte, after clipping v * 255 to [0, 255].
enum class Rounding {
  nearest,   ///< for pictures
  truncate,  ///< for metrics: what the reference implementation feeds to its evaluation
};

/// Bytes of float pixels in [0, 1]. Not a number becomes 0.
std::vector<uint8_t> to_bytes(std::span<const float> values, Rounding rounding);

struct GridOptions {
  int columns = 0;           ///< 0: the least number that makes the grid at least as wide as high
  int margin = 2;            ///< pixels around and between images, before scaling
  int scale = 1;             ///< every pixel becomes scale x scale pixels
  uint8_t background = 128;  ///< grey level of margins and empty places
};

/// Tiles images row by row. `nhwc` holds bytes [N, H, W, C] with shape = {H, W, C}, N >= 1.
/// Throws ValueError for lengths, channels or options that make no picture.
Image make_grid(std::span<const uint8_t> nhwc, ImageShape shape, const GridOptions& options = {});

struct ScatterOptions {
  int size = 512;            ///< pixels, height and width
  float half_width = 3;      ///< the plot shows [-half_width, half_width] on both axes
  float dot_radius = 1.5f;   ///< pixels
  float dot_opacity = 0.5f;  ///< in (0, 1]: overlapping dots add up to the full colour
};

/// Draws points `xy` [N, 2] as blue dots on white (RGB), x to the right and y up. Points outside
/// the plot or not finite are left out. Throws ValueError for an odd length or options out of
/// range.
Image scatter_plot(std::span<const float> xy, const ScatterOptions& options = {});

}  // namespace ito::data
