// Our own files of images: decoded once, then mapped into memory.
//
// All numbers are little-endian. A file is a header of 192 bytes, the labels, and the pixels from a
// multiple of 64 on:
//
//   byte  0  "ITOPACK\n"
//         8  u32 version, 1
//        12  u32 height, 16 u32 width, 20 u32 channels (1 or 3), 24 u32 classes (0: no labels)
//        28  u32 zero
//        32  u64 count
//        40  u64 first and 48 u64 number of the images of the split train
//        56  u64 first and 64 u64 number of the images of the split test
//        72  u64 where the labels are: count bytes (0: none)
//        80  u64 where the pixels are: count x height x width x channels bytes, [N, H, W, C]
//        88  u64 size of the file
//        96  u64 sum of all bytes after the header
//       104  name of the data set, UTF-8, zeros after it
//       184  u64 sum of the header's first 184 bytes
//
// The splits may be the same images. Sums are FNV-1a of 64 bits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/data/dataset.h"

namespace ito::data {

inline constexpr std::string_view kPackedMagic = "ITOPACK\n";

/// A run of images.
struct ImageRange {
  uint64_t first = 0, count = 0;
  bool operator==(const ImageRange&) const = default;
};

/// What the header says.
struct PackedHeader {
  ImageShape shape;
  int classes = 0;
  uint64_t count = 0;
  ImageRange train, test;
  uint64_t labels_at = 0, pixels_at = 0, file_size = 0, content_sum = 0;
  std::string name;
};

/// Reads the header in the first bytes of a file of `file_size` bytes and holds every number
/// against the others. `subject` stands in the errors. Throws UserError: file_truncated,
/// file_corrupt, file_unknown for another version, file_mismatch for a file of another size.
PackedHeader parse_packed_header(std::span<const uint8_t> start, uint64_t file_size,
                                 std::string_view subject);

/// Images of a split, mapped. The sum of the pixels is not computed. Throws what MappedFile and
/// parse_packed_header throw, and file_corrupt for a label beyond the classes.
Dataset::Content open_packed(const std::filesystem::path& path, Split split);

/// Reads the whole file. Throws UserError(file_corrupt) if a byte of it has changed, and what
/// open_packed throws.
PackedHeader check_packed(const std::filesystem::path& path);

/// What becomes a packed file.
struct PackedContent {
  std::string name;
  ImageShape shape;
  int classes = 0;
  ImageRange train, test;
  std::vector<uint8_t> labels;  ///< one per image, or none
  uint64_t count = 0;
  std::function<std::vector<uint8_t>(uint64_t i)> image;  ///< bytes [H, W, C] of image i
};

/// Writes a packed file, whole or not at all, in memory that does not grow with it: into a
/// temporary sibling that is synced and renamed. Throws UserError(write_failed) and what `image`
/// throws.
PackedHeader write_packed(const std::filesystem::path& path, const PackedContent& content);

}  // namespace ito::data
