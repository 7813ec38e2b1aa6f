#include "tools/data/csv.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

/// A finite float, or nothing.
std::optional<float> number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const auto rounded = static_cast<float>(value);
  return std::isfinite(rounded) ? std::optional(rounded) : std::nullopt;
}

/// Whether a line without two numbers may be the names of the columns: it begins with a letter or a
/// quote, and is not the name of a number ("nan").
bool is_header(std::string_view line) {
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (end != line.data()) return false;
  return std::isalpha(static_cast<unsigned char>(line.front())) || line.front() == '"' ||
         line.front() == '#';
}

}  // namespace

std::vector<float> parse_points(std::string_view text, std::string_view subject) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<float> points;
  for (int64_t row = 1; !text.empty(); ++row) {
    const size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    const size_t comma = line.find(',');
    const auto x = number(line.substr(0, comma));
    const auto y = comma == std::string_view::npos ? std::nullopt : number(line.substr(comma + 1));
    if (x && y) {
      points.push_back(*x);
      points.push_back(*y);
    } else if (row > 1 || !is_header(line)) {
      constexpr size_t kShown = 40;
      fail(ErrorCode::file_corrupt, subject,
           "line " + std::to_string(row) + " is \"" + std::string(line.substr(0, kShown)) + "\"",
           "write one point a line: two finite numbers with a comma between");
    }
  }
  if (points.empty()) {
    fail(ErrorCode::file_truncated, subject, "has no point", "write one point a line: x,y");
  }
  return points;
}

Dataset::Content read_csv(const std::filesystem::path& path, Split split) {
  InputFile file(path);
  const std::vector<uint8_t> bytes = file.read(kMaxContentBytes);
  file.expect_end();
  const std::vector<float> all =
      parse_points({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  const size_t count = all.size() / 2;
  Dataset::Content content;
  content.shape = {1, 1, 2};
  content.held_out = count >= kLeastForSplit;
  for (size_t i = 0; i < count; ++i) {
    if (!belongs_to(split, i, count)) continue;
    content.points.push_back(all[2 * i]);
    content.points.push_back(all[2 * i + 1]);
  }
  return content;
}

}  // namespace ito::data
