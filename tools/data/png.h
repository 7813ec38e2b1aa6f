// PNG files, grey or RGB with 8 bits a channel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "tools/data/image.h"

namespace ito::data {

/// The PNG file of an image as bytes. Throws ValueError if the shape is empty, has other than 1 or
/// 3 channels, or does not fit `bytes`.
std::vector<uint8_t> encode_png(std::span<const uint8_t> bytes, ImageShape shape);

/// encode_png to a file, whole or not at all (engine/io/atomic_file.h). Throws also UserError
/// write_failed.
void write_png(const std::filesystem::path& path, std::span<const uint8_t> bytes, ImageShape shape);
void write_png(const std::filesystem::path& path, const Image& image);

/// The image in the bytes of a PNG file; `subject` stands in the errors. Palettes become RGB, 16
/// bits become 8, transparency is laid on black. Throws UserError file_corrupt (no PNG, damaged or
/// cut short) or file_mismatch (more than 2^26 pixels).
Image decode_png(std::span<const uint8_t> file, std::string_view subject);
/// The same from a file. Throws also file_missing, file_truncated (no byte at all), and
/// file_mismatch for more than 256 MiB.
Image read_png(const std::filesystem::path& path);

}  // namespace ito::data
