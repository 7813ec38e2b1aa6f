#include "tools/data/dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "engine/core/check.h"
#include "tools/data/csv.h"
#include "tools/data/digits.h"
#include "tools/data/folder.h"
#include "tools/data/idx.h"
#include "tools/data/npz_images.h"
#include "tools/data/packed.h"
#include "tools/data/planar.h"
#include "tools/data/recognise.h"
#include "tools/data/toys.h"
#include "tools/data/zip_images.h"

namespace ito::data {

namespace {

constexpr std::array<std::string_view, 22> kNames = {
    "digits", "swiss_roll", "two_moons",     "checkerboard", "gaussians8",  "pinwheel",
    "spiral", "mnist",      "fashion_mnist", "cifar10",      "planar",      "folder",
    "celeba", "celebahq",   "ffhq",          "lsun_bedroom", "lsun_church", "zip",
    "npz",    "csv",        "packed",        "auto"};

constexpr size_t kMostCached = size_t(1) << 30;

// The generated sets are part of what a run means, so their seeds never change. Train and test are
// different draws.
constexpr uint64_t seed_of(Split split) { return split == Split::train ? 1931 : 1944; }

/// Zero-pads images on all sides alike.
void pad(Dataset::Content& content, int size) {
  const ImageShape from = content.shape;
  const ImageShape to{size, size, from.channels};
  const size_t count = content.pixels.size() / from.numel();
  const size_t row = size_t(from.width) * size_t(from.channels);
  const size_t top = size_t(to.height - from.height) / 2;
  const size_t left = size_t(to.width - from.width) / 2;
  std::vector<uint8_t> padded(count * to.numel(), 0);
  for (size_t i = 0; i < count; ++i) {
    for (size_t y = 0; y < size_t(from.height); ++y) {
      const size_t target = ((i * size_t(size) + top + y) * size_t(size) + left);
      std::copy_n(content.pixels.data() + i * from.numel() + y * row, row,
                  padded.data() + target * size_t(to.channels));
    }
  }
  content.pixels = std::move(padded);
  content.shape = to;
}

Dataset::Content open_digits(const DataConfig& config, Split split) {
  const int size = config.image_size == 0 ? 16 : config.image_size;
  if (size < kMinDigitSize || size > kMaxDigitSize) {
    fail(ErrorCode::bad_value, "data.image_size", "is " + std::to_string(size),
         "digits are drawn with 12 to 64 pixels a side");
  }
  if (config.channels == 2) {
    fail(ErrorCode::bad_value, "data.channels", "is 2", "digits are grey (1) or RGB (3)");
  }
  return make_digits(seed_of(split), split == Split::train ? 8192 : 1024, size,
                     config.channels == 0 ? 1 : config.channels);
}

[[noreturn]] void refuse_no_path(const DataConfig& config) {
  fail(ErrorCode::bad_value, "data.path", "is empty",
       "set it to the folder or file of " + config.name);
}

Dataset::Content open_file_set(const DataConfig& config, Split split) {
  if (config.path.empty()) refuse_no_path(config);
  const int classes = config.classes == 0 ? 10 : config.classes;
  if (config.name == "cifar10") return read_planar(config.path, split, 32, classes);
  if (config.name == "planar") {
    if (config.image_size == 0) {
      fail(ErrorCode::bad_value, "data.image_size", "is 0",
           "planar files do not say their size: set it");
    }
    return read_planar(config.path, split, config.image_size, classes);
  }
  Dataset::Content content = read_idx(config.path, split, classes);
  if (config.image_size == 32 && content.shape == ImageShape{28, 28, 1}) pad(content, 32);
  return content;
}

bool is_pictures(std::string_view name) {
  return name == "folder" || name == "zip" || name == "celeba" || name == "celebahq" ||
         name == "ffhq" || name.starts_with("lsun_");
}

/// The framing of the published experiments; the 128-pixel LSUN sets are scaled first.
Framing framing_of(const DataConfig& config) {
  if (config.name == "celeba") return Framing::celeba;
  const bool small = config.name.starts_with("lsun_") && config.image_size <= 128;
  return small ? Framing::fit : Framing::square;
}

Dataset::Content open_picture_files(const DataConfig& config, Split split) {
  if (config.path.empty()) refuse_no_path(config);
  std::error_code error;
  const bool file = std::filesystem::is_regular_file(config.path, error);
  const bool archive = config.name == "zip" || (config.name != "folder" && file);
  return archive ? open_zip_images(config, split, framing_of(config))
                 : open_folder(config, split, framing_of(config));
}

/// With the shape that the configuration asks for; where it leaves that open, the first picture's.
Dataset::Content open_picture_set(const DataConfig& config, Split split) {
  Dataset::Content content = open_picture_files(config, split);
  content.shape = {config.image_size, config.image_size, config.channels};
  if (config.image_size > 0 && config.channels > 0) return content;
  const ImageShape first = content.pictures->read(0).shape;
  const int size = config.image_size > 0 ? config.image_size : std::min(first.height, first.width);
  content.shape = {size, size, config.channels > 0 ? config.channels : first.channels};
  return content;
}

/// The configuration with the name of a data set that exists.
DataConfig checked(const DataConfig& config) {
  config.validate();
  if (std::ranges::find(kNames, config.name) == kNames.end()) {
    std::string list;
    for (const std::string_view name : kNames) list.append(list.empty() ? "" : ", ").append(name);
    fail(ErrorCode::unknown_key, "data.name", "there is no data set \"" + config.name + "\"",
         "choose one of " + list);
  }
  DataConfig known = config;
  if (known.name == "auto") known.name = recognise(config.path);
  return known;
}

Dataset::Content open_content(const DataConfig& config, Split split) {
  const std::string& name = config.name;
  if (name == "digits") return open_digits(config, split);
  if (name == "mnist" || name == "fashion_mnist" || name == "cifar10" || name == "planar") {
    return open_file_set(config, split);
  }
  if (is_pictures(name)) return open_picture_set(config, split);
  const bool file = name == "npz" || name == "csv" || name == "packed";
  if (file && config.path.empty()) refuse_no_path(config);
  if (name == "npz") return open_npz_images(config, split);
  if (name == "csv") return read_csv(config.path, split);
  if (name == "packed") return open_packed(config.path, split);
  return make_toy(name, seed_of(split), split == Split::train ? 32768 : 8192);
}

/// What the configuration asks for must be what the set has.
void check_against(const DataConfig& config, const Dataset::Content& content) {
  const bool file = !config.path.empty();
  const auto expect = [&](const char* key, int asked, int has, const char* what) {
    if (asked == 0 || asked == has) return;
    fail(file ? ErrorCode::file_mismatch : ErrorCode::bad_value, file ? config.path : key,
         config.name + " has " + std::to_string(has) + " " + what + ", " + key + " asks for " +
             std::to_string(asked),
         std::string("set ") + key + " = " + std::to_string(has));
  };
  if (content.points.empty()) {
    expect("data.image_size", config.image_size, content.shape.height, "rows");
    expect("data.image_size", config.image_size, content.shape.width, "columns");
    expect("data.channels", config.channels, content.shape.channels, "channels");
  }
  expect("data.classes", config.classes, content.classes, "classes");
}

}  // namespace

Dataset::Dataset(Content content)
    : content_(std::move(content)),
      stored_(content_.mapping ? content_.view : std::span<const uint8_t>(content_.pixels)) {
  const size_t each = content_.shape.numel();
  const size_t total = std::max(stored_.size(), content_.points.size());
  ITO_CHECK(stored_.empty() + content_.points.empty() + !content_.pictures == 2, ValueError,
            "a data set has pixels, points or files", kv("pixels", stored_.size()),
            kv("points", content_.points.size()));
  ITO_CHECK(each > 0 && total % each == 0, ValueError, "a data set has whole samples",
            kv("values", total), kv("per sample", each));
  const size_t count =
      content_.pictures ? static_cast<size_t>(content_.pictures->size()) : total / each;
  size_ = static_cast<int64_t>(count);
  ITO_CHECK(content_.labels.empty() ? content_.classes == 0 : content_.labels.size() == count,
            ValueError, "a labelled data set has one label per sample",
            kv("labels", content_.labels.size()), kv("samples", size_));
  if (content_.pictures && count <= kMostCached / each) cache_.resize(count);
}

size_t Dataset::offset_of(int64_t i) const {
  ITO_CHECK(i >= 0 && i < size_, ValueError, "sample index must lie in the data set", kv("i", i),
            kv("size", size_));
  return static_cast<size_t>(i) * content_.shape.numel();
}

int64_t Dataset::label(int64_t i) const {
  offset_of(i);
  return content_.labels.empty() ? 0 : content_.labels[static_cast<size_t>(i)];
}

std::string Dataset::sample_name(int64_t i) const {
  offset_of(i);
  if (content_.pictures) return content_.pictures->name(i);
  return (has_bytes() ? "image " : "point ") + std::to_string(i) + " of " + name();
}

std::vector<uint8_t> Dataset::pixels(int64_t i) const {
  ITO_CHECK(has_bytes(), ValueError, "points have no pixels", kv("data set", name()));
  const size_t offset = offset_of(i);
  if (content_.pictures) return *decoded(i);
  const auto all = stored_.subspan(offset, content_.shape.numel());
  return {all.begin(), all.end()};
}

Dataset::Bytes Dataset::decoded(int64_t i) const {
  const auto at = static_cast<size_t>(i);
  if (!cache_.empty()) {
    const std::lock_guard lock(mutex_);
    if (cache_[at]) return cache_[at];
  }
  const PictureSource& files = *content_.pictures;
  auto bytes = std::make_shared<const std::vector<uint8_t>>(
      framed(files.read(i), content_.shape, content_.framing, files.name(i)).bytes);
  if (cache_.empty()) return bytes;
  const std::lock_guard lock(mutex_);
  return cache_[at] = std::move(bytes);
}

void Dataset::read(int64_t i, std::span<float> out) const {
  const size_t offset = offset_of(i);
  ITO_CHECK(out.size() == content_.shape.numel(), ValueError,
            "the output must have one value per element", kv("out", out.size()),
            kv("elements", content_.shape.numel()));
  if (kind() == Kind::points) {
    std::copy_n(content_.points.data() + offset, out.size(), out.data());
    return;
  }
  const Bytes file = content_.pictures ? decoded(i) : nullptr;
  const uint8_t* in = file ? file->data() : stored_.data() + offset;
  for (size_t k = 0; k < out.size(); ++k) out[k] = float(in[k]) / 255.0f;
}

std::span<const std::string_view> dataset_names() { return kNames; }

std::unique_ptr<Dataset> open_dataset(const DataConfig& config, Split split) {
  const DataConfig known = checked(config);
  Dataset::Content content = open_content(known, split);
  check_against(known, content);
  content.name = known.name;
  return std::make_unique<Dataset>(std::move(content));
}

std::optional<Dataset::Content> open_pictures(const DataConfig& config, Split split) {
  const DataConfig known = checked(config);
  if (!is_pictures(known.name)) return std::nullopt;
  return open_picture_files(known, split);
}

}  // namespace ito::data
