// JPEG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "tools/data/image.h"

namespace ito::data {

/// The picture in the bytes of a JPEG file, grey (if it has one component) or RGB; `subject` stands
/// in the errors. Throws UserError file_corrupt (no JPEG, damaged or cut short) or file_mismatch
/// (more than 2^26 pixels; CMYK).
Image decode_jpeg(std::span<const uint8_t> file, std::string_view subject);
/// The same from a file. Throws also file_missing, file_truncated (no byte at all), and
/// file_mismatch for more than 256 MiB.
Image read_jpeg(const std::filesystem::path& path);

}  // namespace ito::data
