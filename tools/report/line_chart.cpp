#include "tools/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "tools/report/html.h"

namespace ito::report {
namespace {

constexpr double kWidth = 560, kHeight = 260;
constexpr double kLeft = 62, kRight = 12, kTop = 28, kBottom = 34;

/// From values to pixels; the axis covers [low, high].
struct Axis {
  Scale scale = Scale::linear;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double first = 0, last = 1;  // pixels at low and high

  double position(double v) const { return scale == Scale::logarithmic ? std::log10(v) : v; }
  bool shows(double v) const { return std::isfinite(v) && (scale == Scale::linear || v > 0); }
  void include(double v) {
    if (!shows(v)) return;
    low = std::min(low, position(v));
    high = std::max(high, position(v));
  }
  void settle() {
    // A constant curve still needs an extent.
    if (high > low) return;
    const double half = scale == Scale::logarithmic ? 0.5 : std::max(1e-12, 0.1 * std::abs(low));
    low -= half;
    high += half;
  }
  double pixel(double v) const {
    return first + (position(v) - low) / (high - low) * (last - first);
  }
};

/// Round values between `low` and `high`, about five of them.
std::vector<double> round_values(double low, double high) {
  std::vector<double> list;
  const double raw = (high - low) / 5, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = raw < 2 * power ? 2 * power : raw < 5 * power ? 5 * power : 10 * power;
  for (double v = std::ceil(low / step) * step; v <= high + 1e-9 * step; v += step) {
    list.push_back(std::abs(v) < 1e-9 * step ? 0 : v);
  }
  return list;
}

/// Powers of ten on a logarithmic axis of more than a decade, else round values.
std::vector<double> ticks(const Axis& axis) {
  if (axis.scale == Scale::linear) return round_values(axis.low, axis.high);
  if (axis.high - axis.low < 1) {
    return round_values(std::pow(10, axis.low), std::pow(10, axis.high));
  }
  std::vector<double> list;
  const double step = std::max(1.0, std::ceil((axis.high - axis.low) / 6));
  for (double v = std::ceil(axis.low - 1e-9); v <= axis.high + 1e-9; v += step) {
    list.push_back(std::pow(10, v));
  }
  return list;
}

std::string pixels(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + pixels(x) + "\" y=\"" + pixels(y) + "\" text-anchor=\"" + anchor + "\">" +
         text_html(text) + "</text>\n";
}

std::string grid_line(double x1, double y1, double x2, double y2) {
  return "<line class=\"grid\" x1=\"" + pixels(x1) + "\" y1=\"" + pixels(y1) + "\" x2=\"" +
         pixels(x2) + "\" y2=\"" + pixels(y2) + "\"/>\n";
}

std::string axes(const Axis& x, const Axis& y, const std::string& x_label) {
  std::string svg;
  for (const double v : ticks(x)) {
    svg += grid_line(x.pixel(v), y.first, x.pixel(v), y.last) +
           text_at(x.pixel(v), y.first + 15, "middle", number_text(v));
  }
  for (const double v : ticks(y)) {
    svg += grid_line(x.first, y.pixel(v), x.last, y.pixel(v)) +
           text_at(x.first - 6, y.pixel(v) + 4, "end", number_text(v));
  }
  return svg + text_at(x.last, y.first + 30, "end", x_label);
}

std::string path_of(const Curve& c, const Axis& x, const Axis& y) {
  std::string data;
  bool pen_up = true;
  for (size_t i = 0; i < c.x.size(); ++i) {
    const bool shown = x.shows(c.x[i]) && y.shows(c.y[i]);
    if (shown)
      data += (pen_up ? "M" : "L") + pixels(x.pixel(c.x[i])) + " " + pixels(y.pixel(c.y[i]));
    pen_up = !shown;
  }
  return "<path fill=\"none\" stroke-width=\"1.6\" stroke=\"" + std::string(run_color(c.color)) +
         (c.dashed ? "\" stroke-dasharray=\"5 3" : "") + "\" d=\"" + data + "\"/>\n";
}

std::string legend(const std::vector<Curve>& curves) {
  std::string html = "<p class=\"legend\">";
  for (const Curve& c : curves) {
    html += "<span><i style=\"border-top:3px " + std::string(c.dashed ? "dashed " : "solid ") +
            run_color(c.color) + "\"></i> " + text_html(c.name) + "</span> ";
  }
  return html + "</p>\n";
}

}  // namespace

const char* run_color(size_t i) {
  constexpr const char* kColors[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                     "#56B4E9", "#E69F00", "#7F7F00", "#777777"};
  return kColors[i % std::size(kColors)];
}

std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::vector<Curve>& curves, Scale y_scale) {
  Axis x{.first = kLeft, .last = kWidth - kRight};
  Axis y{.scale = y_scale, .first = kHeight - kBottom, .last = kTop};
  for (const Curve& c : curves) {
    for (size_t i = 0; i < c.x.size(); ++i) {
      if (!x.shows(c.x[i]) || !y.shows(c.y[i])) continue;
      x.include(c.x[i]);
      y.include(c.y[i]);
    }
  }
  if (!(x.low <= x.high)) return "";
  x.settle();
  y.settle();
  std::string svg = "<figure><svg viewBox=\"0 0 " + pixels(kWidth) + " " + pixels(kHeight) +
                    "\" role=\"img\" aria-label=\"" + text_html(title) + "\">\n" +
                    "<text class=\"title\" x=\"" + pixels(kLeft) + "\" y=\"16\">" +
                    text_html(title) + "</text>\n" + axes(x, y, x_label);
  for (const Curve& c : curves) svg += path_of(c, x, y);
  return svg + "</svg>\n" + legend(curves) + "</figure>\n";
}

}  // namespace ito::report
