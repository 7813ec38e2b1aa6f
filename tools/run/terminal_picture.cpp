#include "tools/run/terminal_picture.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "engine/core/check.h"
#include "tools/data/resize.h"

namespace ito::tools {
namespace {

constexpr int kMostColumns = 1000;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

data::Image fitted(const data::Image& image, int columns) {
  const auto [height, width, channels] = image.shape;
  if (width <= columns) return image;
  const double scale = double(columns) / width;
  const int rows = std::max(1, static_cast<int>(std::lround(height * scale)));
  return data::resized(image, rows, columns, data::Filter::bilinear);
}

/// Mean of two pixels, one above the other, as one of ten characters.
std::string ascii(const data::Image& grey) {
  constexpr std::string_view kRamp = " .:-=+*#%@";
  const int height = grey.shape.height, width = grey.shape.width;
  std::string text;
  for (int y = 0; y < height; y += 2) {
    const auto* upper = grey.bytes.data() + size_t(y) * size_t(width);
    const auto* lower = y + 1 < height ? upper + width : upper;
    for (int x = 0; x < width; ++x) {
      text += kRamp[size_t(upper[x] + lower[x]) * kRamp.size() / 511];
    }
    text += '\n';
  }
  return text;
}

/// ESC [ 38 or 48 ; 2 ; r ; g ; b m: the colour of the character or behind it.
std::string colour_code(int what, const uint8_t* rgb) {
  std::string code = "\x1b[" + std::to_string(what) + ";2";
  for (int c = 0; c < 3; ++c) code += ";" + std::to_string(rgb[c]);
  return code + "m";
}

/// The upper pixel is the colour of an upper half block, the lower one the colour behind it.
std::string half_blocks(const data::Image& rgb) {
  constexpr const char* kUpperHalf = "\xe2\x96\x80";
  constexpr const char* kReset = "\x1b[0m";
  const int height = rgb.shape.height, width = rgb.shape.width;
  const auto pixel = [&](int y, int x) {
    return rgb.bytes.data() + 3 * (size_t(y) * size_t(width) + size_t(x));
  };
  std::string text;
  for (int y = 0; y < height; y += 2) {
    std::string before;
    for (int x = 0; x < width; ++x) {
      std::string code = colour_code(38, pixel(y, x));
      if (y + 1 < height) code += colour_code(48, pixel(y + 1, x));
      if (code != before) text += code;
      text += kUpperHalf;
      before = code;
    }
    text += kReset;
    text += '\n';
  }
  return text;
}

}  // namespace

Terminal terminal_behind(int descriptor) {
  Terminal terminal;
  winsize size = {};
  const bool is_terminal = isatty(descriptor) != 0;
  if (is_terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.columns = std::min<int>(size.ws_col, kMostColumns);
  } else if (const int columns = std::atoi(variable("COLUMNS").data()); columns > 0) {
    terminal.columns = std::min(columns, kMostColumns);
  }
  if (is_terminal && variable("NO_COLOR").empty() && variable("TERM") != "dumb") {
    terminal.colours = Terminal::Colours::rgb;
  }
  return terminal;
}

std::string terminal_picture(const data::Image& image, const Terminal& terminal) {
  ITO_CHECK(image.shape.numel() > 0 && terminal.columns > 0, ValueError,
            "a picture in the terminal needs pixels and columns", kv("pixels", image.bytes.size()),
            kv("columns", terminal.columns));
  const data::Image small = fitted(image, terminal.columns);
  return terminal.colours == Terminal::Colours::rgb ? half_blocks(data::with_channels(small, 3))
                                                    : ascii(data::with_channels(small, 1));
}

}  // namespace ito::tools
