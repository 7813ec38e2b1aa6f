// Points of the plane as text.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "tools/data/dataset.h"

namespace ito::data {

/// x and y of every line "x,y", one point after the other. Spaces around numbers, empty lines and
/// \r\n are taken; a first line of other words is a header. `subject` stands in the errors.
/// Throws UserError: file_corrupt naming the line, file_truncated for no point.
std::vector<float> parse_points(std::string_view text, std::string_view subject);

/// The points of a file, which may be packed by gzip. Splits: those of split.h. Throws also
/// UserError(file_missing).
Dataset::Content read_csv(const std::filesystem::path& path, Split split);

}  // namespace ito::data
