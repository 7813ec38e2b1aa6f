// Pictures made of characters.
#pragma once

#include <string>

#include "tools/data/image.h"

namespace ito::tools {

struct Terminal {
  /// `none`: ASCII characters from dark to bright; `rgb`: 24 bits a colour, two pixels a character.
  enum class Colours : uint8_t { none, rgb };

  int columns = 80;
  Colours colours = Colours::none;
};

/// What stands behind a file descriptor. No colours where it is no terminal, a terminal that says
/// it is dumb, or NO_COLOR is set and not empty.
Terminal terminal_behind(int descriptor);

/// The picture as lines of text, shrunk (antialiased) to the terminal's width where it is wider. A
/// character is taken to be twice as high as wide. Throws ValueError for an empty picture.
std::string terminal_picture(const data::Image& image, const Terminal& terminal);

}  // namespace ito::tools
