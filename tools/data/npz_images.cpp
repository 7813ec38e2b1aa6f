#include "tools/data/npz_images.h"

#include <algorithm>
#include <limits>

#include "engine/core/check.h"
#include "tools/data/npz.h"

namespace ito::data {

namespace {

constexpr int64_t kMostPixels = 1 << 16;  // along a side

/// The first of the names that the file has, or nothing.
std::string first_of(const NpzFile& file, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (file.contains(name)) return name;
  }
  return "";
}

ImageShape shape_of(const Tensor& array, const std::string& subject) {
  const Shape& s = array.shape();
  const int rank = s.rank();
  const int64_t channels = rank == 4 ? s[3] : 1;
  if (array.dtype() == DType::u8 && (rank == 3 || rank == 4) && s[0] >= 1 && s[1] >= 1 &&
      s[2] >= 1 && s[1] <= kMostPixels && s[2] <= kMostPixels && (channels == 1 || channels == 3)) {
    return {static_cast<int>(s[1]), static_cast<int>(s[2]), static_cast<int>(channels)};
  }
  fail(ErrorCode::file_mismatch, subject, "is " + to_string(array.dtype()) + " " + to_string(s),
       "give images as uint8 [N, height, width, 1 or 3]");
}

template <class T>
std::vector<int64_t> widened(const Tensor& array) {
  const std::vector<T> values = array.to_vector<T>();
  return {values.begin(), values.end()};
}

std::vector<int64_t> integers(const Tensor& array, const std::string& subject, int64_t count) {
  if (array.rank() != 1 || array.numel() != count) {
    fail(ErrorCode::file_mismatch, subject,
         "has shape " + to_string(array.shape()) + " for " + std::to_string(count) + " images",
         "give one class for each image");
  }
  switch (array.dtype()) {
    case DType::u8:
      return widened<uint8_t>(array);
    case DType::i32:
      return widened<int32_t>(array);
    case DType::i64:
      return widened<int64_t>(array);
    default:
      break;
  }
  fail(ErrorCode::file_mismatch, subject, "has elements of type " + to_string(array.dtype()),
       "give classes as integers");
}

}  // namespace

Dataset::Content open_npz_images(const DataConfig& config, Split split) {
  const NpzFile file(config.path);
  const auto subject = [&](const std::string& name) { return config.path + " (" + name + ")"; };
  std::string name = first_of(file, {"images", "arr_0"});
  if (name.empty()) name = "images";  // whose absence read() reports
  const Tensor images = file.read(name);
  Dataset::Content content;
  content.shape = shape_of(images, subject(name));
  const int64_t count = images.size(0);
  std::vector<int64_t> classes;
  const std::string labels = first_of(file, {"labels", "arr_1"});
  if (!labels.empty()) {
    classes = integers(file.read(labels), subject(labels), count);
    const int64_t most = *std::ranges::max_element(classes);
    content.classes =
        config.classes > 0 ? config.classes : static_cast<int>(std::min<int64_t>(most, 255)) + 1;
    if (most >= content.classes || *std::ranges::min_element(classes) < 0) {
      fail(ErrorCode::file_mismatch, subject(labels),
           "has classes outside 0 to " + std::to_string(content.classes - 1),
           "number the classes from 0, at most 256 of them, or check data.classes");
    }
  }
  content.held_out = static_cast<size_t>(count) >= kLeastForSplit;
  const auto bytes = images.span<uint8_t>();
  const size_t each = content.shape.numel();
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    if (!belongs_to(split, i, static_cast<size_t>(count))) continue;
    const auto image = bytes.subspan(i * each, each);
    content.pixels.insert(content.pixels.end(), image.begin(), image.end());
    if (!classes.empty()) content.labels.push_back(static_cast<uint8_t>(classes[i]));
  }
  return content;
}

}  // namespace ito::data
