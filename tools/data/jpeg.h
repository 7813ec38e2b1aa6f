// JPEG files.
#pragma once

#include <filesystem>

#include "tools/data/image.h"

namespace ito::data {

/// Reads a JPEG file as grey (if it has one component) or RGB. Throws UserError file_missing,
/// file_truncated (no byte at all), file_corrupt (no JPEG, damaged or cut short), or file_mismatch
/// (more than 2^26 pixels or 256 MiB; CMYK).
Image read_jpeg(const std::filesystem::path& path);

}  // namespace ito::data
