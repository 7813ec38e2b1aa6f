#include "engine/core/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ito {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);  // distances of the prefix of a to every prefix of b
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names) {
  const auto nearest = std::ranges::min_element(
      names, {}, [name](std::string_view other) { return edit_distance(name, other); });
  return nearest == names.end() ? std::string_view() : *nearest;
}

std::string nearest_name_fix(std::string_view name, std::span<const std::string_view> names) {
  std::string text = "use ";
  text.append(nearest_name(name, names)).append(" (the nearest) or one of: ");
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text.append(", ");
    text.append(names[i]);
  }
  return text;
}

}  // namespace ito
