// Pictures of the plane: points, arrows and densities.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "tools/data/image.h"

namespace ito::tools {

/// A square picture of [-half_width, half_width]^2, x to the right and y up, white at first. What
/// lies outside or is not finite is left out.
class PlanePlot {
 public:
  struct Colour {
    float r = 0, g = 0, b = 0;  ///< in [0, 1]
  };
  static constexpr Colour kBlue{0.10f, 0.25f, 0.60f}, kGrey{0.65f, 0.65f, 0.65f},
      kRed{0.75f, 0.15f, 0.10f};

  PlanePlot(int pixels, float half_width);

  /// Points xy [N, 2] as dots of a radius in pixels.
  void dots(std::span<const float> xy, Colour colour, float radius, float opacity);
  /// An arrow from (x, y) to (x + dx, y + dy), with a head where it is longer than some pixels.
  void arrow(float x, float y, float dx, float dy, Colour colour);
  /// Values in [0, 1] on a grid [side, side] over the whole plot, first row at the top, from white
  /// over blue to black; interpolated between the centres of the cells.
  void heat(std::span<const float> values, int side);

  data::Image image() const;

 private:
  void blend(int column, int row, Colour colour, float opacity);
  void line(float x0, float y0, float x1, float y1, Colour colour);
  float column_of(float x) const { return (half_width_ + x) * scale_; }
  float row_of(float y) const { return (half_width_ - y) * scale_; }

  int pixels_;
  float half_width_, scale_;  // pixels per unit
  std::vector<float> rgb_;
};

/// The centres of a grid of cells [side, side] over the plot, as points [side^2, 2], first row at
/// the top.
std::vector<float> grid_points(int side, float half_width);

/// A vector field on such a grid as arrows. Lengths rise with the norm up to one cell: a vector of
/// the mean norm takes half.
void draw_field(PlanePlot& plot, std::span<const float> points, std::span<const float> vectors,
                float cell);

/// Pictures of one size, left to right.
data::Image side_by_side(const std::vector<data::Image>& images);

}  // namespace ito::tools
