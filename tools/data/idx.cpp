#include "tools/data/idx.h"

#include <string>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kImagesMagic = 2051, kLabelsMagic = 2049;
constexpr uint32_t kMaxSide = 1024;
constexpr std::string_view kImagesPart = "images-idx3", kLabelsPart = "labels-idx1";

/// The file `stem` in `folder`, plain or gzip.
fs::path find_in(const fs::path& folder, const std::string& stem) {
  std::error_code error;
  const fs::path plain = folder / stem, packed = folder / (stem + ".gz");
  if (fs::exists(plain, error)) return plain;
  if (fs::exists(packed, error)) return packed;
  fail(ErrorCode::file_missing, plain.string(), "does not exist, and neither does " + stem + ".gz",
       "set data.path to the folder that holds the idx files, or to the images file itself");
}

/// The labels file that belongs to an images file given by name; it may be packed when the images
/// are not, and the other way round.
fs::path labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  const size_t at = name.find(kImagesPart);
  if (at == std::string::npos) {
    fail(ErrorCode::file_mismatch, images.string(),
         "has no \"images-idx3\" in its name, so its labels file cannot be found",
         "name the files ...images-idx3-ubyte and ...labels-idx1-ubyte");
  }
  name.replace(at, kImagesPart.size(), kLabelsPart);
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return find_in(images.parent_path(), name);
}

uint32_t big_endian(const std::vector<uint8_t>& bytes, size_t at) {
  return uint32_t(bytes[at]) << 24 | uint32_t(bytes[at + 1]) << 16 | uint32_t(bytes[at + 2]) << 8 |
         uint32_t(bytes[at + 3]);
}

/// Checks the magic number and returns the sizes after it.
std::vector<uint8_t> read_header(InputFile& file, uint32_t magic, uint64_t bytes) {
  std::vector<uint8_t> header = file.read_exactly(bytes, bytes);
  if (big_endian(header, 0) != magic) {
    fail(ErrorCode::file_corrupt, file.path().string(),
         "starts with " + std::to_string(big_endian(header, 0)) + ", not with the magic number " +
             std::to_string(magic),
         magic == kImagesMagic ? "give an idx3 images file" : "give an idx1 labels file");
  }
  return header;
}

struct Images {
  uint64_t count;
  ImageShape shape;
  std::vector<uint8_t> pixels;
};

Images read_images(const fs::path& path) {
  InputFile file(path);
  const auto header = read_header(file, kImagesMagic, 16);
  const uint64_t count = big_endian(header, 4);
  const uint32_t rows = big_endian(header, 8), columns = big_endian(header, 12);
  if (rows == 0 || columns == 0 || rows > kMaxSide || columns > kMaxSide) {
    fail(ErrorCode::file_corrupt, path.string(),
         "promises images of " + std::to_string(rows) + " x " + std::to_string(columns) + " pixels",
         "give images of 1 to 1024 pixels a side");
  }
  const uint64_t bytes = count * rows * columns;
  if (count == 0 || bytes > kMaxContentBytes) {
    fail(ErrorCode::file_corrupt, path.string(),
         "promises " + std::to_string(count) + " images, " + std::to_string(bytes) + " bytes",
         "give at least one image and at most " + std::to_string(kMaxContentBytes) + " bytes");
  }
  Images images{count, {int(rows), int(columns), 1}, file.read_exactly(bytes, 16 + bytes)};
  file.expect_end();
  return images;
}

std::vector<uint8_t> read_labels(const fs::path& path, uint64_t count, int classes) {
  InputFile file(path);
  const uint64_t promised = big_endian(read_header(file, kLabelsMagic, 8), 4);
  if (promised != count) {
    fail(ErrorCode::file_mismatch, path.string(),
         "has " + std::to_string(promised) + " labels for " + std::to_string(count) + " images",
         "give the labels file that belongs to the images");
  }
  std::vector<uint8_t> labels = file.read_exactly(count, 8 + count);
  file.expect_end();
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= classes) {
      fail(ErrorCode::file_corrupt, path.string(),
           "label " + std::to_string(i) + " is " + std::to_string(labels[i]) + ", not below " +
               std::to_string(classes),
           "copy the file again, or set data.classes to the number of classes it has");
    }
  }
  return labels;
}

}  // namespace

Dataset::Content read_idx(const fs::path& path, Split split, int classes) {
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  const std::string stem = split == Split::train ? "train-" : "t10k-";
  const fs::path images_path =
      folder ? find_in(path, stem + std::string(kImagesPart) + "-ubyte") : path;
  Images images = read_images(images_path);
  const fs::path labels_path = folder ? find_in(path, stem + std::string(kLabelsPart) + "-ubyte")
                                      : labels_beside(images_path);
  Dataset::Content content;
  content.labels = read_labels(labels_path, images.count, classes);
  content.held_out = folder;  // a file given by name serves either split
  content.shape = images.shape;
  content.classes = classes;
  content.pixels = std::move(images.pixels);
  return content;
}

}  // namespace ito::data
