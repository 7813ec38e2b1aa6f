#include "tools/data/folder.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "engine/core/check.h"
#include "tools/data/jpeg.h"
#include "tools/data/png.h"
#include "tools/data/resize.h"

namespace ito::data {

namespace {

namespace fs = std::filesystem;

constexpr size_t kEveryHeldOut = 20, kLeastForSplit = 200;

std::string extension_of(const fs::path& file) {
  std::string text = file.extension().string();
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

bool is_picture(const fs::path& file) {
  const std::string e = extension_of(file);
  return e == ".png" || e == ".jpg" || e == ".jpeg";
}

std::vector<fs::path> pictures_below(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator it(folder, options, error), end; !error && it != end;
       it.increment(error)) {
    if (is_picture(it->path()) && it->is_regular_file(error)) files.push_back(it->path());
  }
  if (error) {
    fail(ErrorCode::file_missing, folder.string(), error.message(), "give a folder of images");
  }
  std::ranges::sort(files);
  return files;
}

/// The files of a split.
std::vector<fs::path> files_of(const fs::path& folder, Split split) {
  std::vector<const char*> names{"train"};
  if (split == Split::test) names = {"test", "val", "valid"};
  for (const char* name : names) {
    if (fs::is_directory(folder / name)) return pictures_below(folder / name);
  }
  const std::vector<fs::path> all = pictures_below(folder);
  if (all.size() < kLeastForSplit) return all;
  std::vector<fs::path> part;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool held_out = i % kEveryHeldOut == kEveryHeldOut - 1;
    if (held_out == (split == Split::test)) part.push_back(all[i]);
  }
  return part;
}

/// Classes by the folders that the files lie in; none if they all lie in one.
void label(Dataset::Content& content, const std::vector<fs::path>& files) {
  std::map<fs::path, uint8_t> classes;
  for (const fs::path& file : files) classes[file.parent_path()] = 0;
  if (classes.size() < 2 || classes.size() > 256) return;
  uint8_t next = 0;
  for (auto& [folder, index] : classes) index = next++;
  for (const fs::path& file : files) content.labels.push_back(classes[file.parent_path()]);
  content.classes = int(classes.size());
}

[[noreturn]] void refuse_size(const fs::path& file, ImageShape has, int least) {
  fail(ErrorCode::file_mismatch, file.string(),
       "has " + std::to_string(has.height) + " x " + std::to_string(has.width) + " pixels",
       "give images of at least " + std::to_string(least) + " pixels a side");
}

Image framed(const fs::path& file, ImageShape to, Framing framing) {
  constexpr int kCeleba = 140;
  const Image image = with_channels(read_picture(file), to.channels);
  const int height = image.shape.height, width = image.shape.width;
  const int side = std::min(height, width);
  switch (framing) {
    case Framing::celeba:
      if (side < kCeleba) refuse_size(file, image.shape, kCeleba);
      return resized(centre_crop(image, kCeleba, kCeleba), to.height, to.width, Filter::bilinear);
    case Framing::fit: {
      const auto scaled = [&](int length) { return int(int64_t{length} * to.height / side); };
      return centre_crop(resized(image, scaled(height), scaled(width), Filter::bilinear), to.height,
                         to.width);
    }
    case Framing::square:
      break;
  }
  return resized(centre_crop(image, side, side), to.height, to.width, Filter::bicubic);
}

}  // namespace

Image read_picture(const fs::path& file) {
  return extension_of(file) == ".png" ? read_png(file) : read_jpeg(file);
}

Dataset::Content open_folder(const DataConfig& config, Split split, Framing framing) {
  const fs::path folder = config.path;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(ErrorCode::file_missing, folder.string(), "is no folder",
         "give a folder of PNG or JPEG files");
  }
  const std::vector<fs::path> files = files_of(folder, split);
  if (files.empty()) {
    fail(ErrorCode::file_missing, folder.string(), "holds no .png, .jpg or .jpeg file",
         "give a folder of images");
  }
  Dataset::Content content;
  const ImageShape first = read_picture(files.front()).shape;
  const int size = config.image_size > 0 ? config.image_size : std::min(first.height, first.width);
  content.shape = {size, size, config.channels > 0 ? config.channels : first.channels};
  label(content, files);
  content.count = files.size();
  content.decode = [files, shape = content.shape, framing](int64_t i) {
    return framed(files[size_t(i)], shape, framing).bytes;
  };
  return content;
}

}  // namespace ito::data
