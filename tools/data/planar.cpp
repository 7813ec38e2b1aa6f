#include "tools/data/planar.h"

#include <algorithm>
#include <string>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

namespace fs = std::filesystem;

constexpr int kPlanes = 3;

std::vector<fs::path> files_of(const fs::path& path, Split split) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  const std::string start = split == Split::train ? "data_batch_" : "test_batch";
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(start) && name.ends_with(".bin")) files.push_back(entry->path());
  }
  if (files.empty()) {
    fail(ErrorCode::file_missing, path.string(), "has no file " + start + "*.bin",
         "set data.path to the folder that holds them, or to one such file");
  }
  std::sort(files.begin(), files.end());
  return files;
}

void append_records(const fs::path& path, Dataset::Content& content) {
  const size_t plane = size_t(content.shape.height) * size_t(content.shape.width);
  const size_t record = 1 + kPlanes * plane;
  const uint64_t room = kMaxContentBytes - content.pixels.size();
  InputFile file(path);
  const std::vector<uint8_t> bytes = file.read(room);
  if (bytes.size() == room) {
    fail(ErrorCode::file_corrupt, path.string(), "is larger than any data set that is supported",
         "give at most " + std::to_string(kMaxContentBytes) + " bytes");
  }
  const size_t count = bytes.size() / record;
  if (count == 0 || bytes.size() % record != 0) {
    fail(ErrorCode::file_truncated, path.string(),
         "has " + std::to_string(bytes.size()) + " bytes, needs " +
             std::to_string((count + 1) * record) + " for " + std::to_string(count + 1) +
             " records of " + std::to_string(record) + " bytes",
         "copy the file again, or check data.image_size");
  }
  const size_t first = content.labels.size();
  content.labels.resize(first + count);
  content.pixels.resize((first + count) * kPlanes * plane);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* in = bytes.data() + i * record;
    if (*in >= content.classes) {
      fail(ErrorCode::file_corrupt, path.string(),
           "the label of record " + std::to_string(i) + " is " + std::to_string(*in) +
               ", not below " + std::to_string(content.classes),
           "copy the file again, or check data.classes and data.image_size");
    }
    content.labels[first + i] = *in++;
    uint8_t* out = content.pixels.data() + (first + i) * kPlanes * plane;
    for (size_t p = 0; p < plane; ++p) {
      for (size_t c = 0; c < kPlanes; ++c) out[p * kPlanes + c] = in[c * plane + p];
    }
  }
}

}  // namespace

Dataset::Content read_planar(const fs::path& path, Split split, int size, int classes) {
  Dataset::Content content;
  content.shape = {size, size, kPlanes};
  content.classes = classes;
  std::error_code error;
  content.held_out = fs::is_directory(path, error);  // one file serves either split
  for (const fs::path& file : files_of(path, split)) append_records(file, content);
  return content;
}

}  // namespace ito::data
