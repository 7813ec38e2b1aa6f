// Curves as SVG.
#pragma once

#include <string>
#include <vector>

namespace ito::report {

struct Curve {
  std::string name;  ///< for the legend
  size_t color = 0;  ///< index of the run: equal colours belong together
  bool dashed = false;
  std::vector<double> x, y;  ///< same length; points that are not finite leave a gap
};

enum class Scale { linear, logarithmic };

/// A chart of 560 x 260 with axes, ticks and a legend below; "" if no curve has a point to show. On
/// a logarithmic scale points that are not positive leave a gap.
std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::vector<Curve>& curves, Scale y_scale);

/// Colour of run i as CSS, one of eight that people with colour blindness tell apart (Okabe and
/// Ito).
const char* run_color(size_t i);

}  // namespace ito::report
