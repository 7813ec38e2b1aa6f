#include "tools/report/html.h"

#include <cstdio>

#include "engine/core/utf8.h"

namespace ito::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string text_html(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const std::string_view part = text.substr(0, length);
    if (part == "&") {
      out += "&amp;";
    } else if (part == "<") {
      out += "&lt;";
    } else if (part == ">") {
      out += "&gt;";
    } else if (part == "\"") {
      out += "&quot;";
    } else if (length == 0 || (length == 1 && uint8_t(part[0]) < 0x20 && part != "\n") ||
               part == "\x7f") {
      out += kReplacement;
    } else {
      out += part;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string png_uri(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:image/png;base64,";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const uint32_t group = uint32_t(bytes[i]) << 16 | (left > 1 ? uint32_t(bytes[i + 1]) << 8 : 0) |
                           (left > 2 ? uint32_t(bytes[i + 2]) : 0);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += left > 1 ? kDigits[group >> 6 & 63] : '=';
    out += left > 2 ? kDigits[group & 63] : '=';
  }
  return out;
}

std::string table_html(const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const std::string tag = r == 0 ? "th" : "td";
    out += "<tr>";
    for (const std::string& cell : rows[r]) out += "<" + tag + ">" + cell + "</" + tag + ">";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace ito::report
