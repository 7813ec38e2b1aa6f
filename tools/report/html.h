// Pieces of HTML. Everything that comes from a file passes through text_html.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ito::report {

/// `text` so that a browser shows it as it is; bytes that are no UTF-8 and control characters
/// become U+FFFD.
std::string text_html(std::string_view text);

/// "data:image/png;base64,..." of a PNG file's bytes.
std::string png_uri(std::span<const uint8_t> bytes);

/// A table; cells are HTML already. The first row is the heading.
std::string table_html(const std::vector<std::vector<std::string>>& rows);

/// "%.4g" as text.
std::string number_text(double value);

}  // namespace ito::report
