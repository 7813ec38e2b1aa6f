#include "tools/metrics/image_set.h"

#include <algorithm>

#include "tools/data/grid.h"
#include "tools/data/input_file.h"
#include "tools/data/npz.h"

namespace ito::metrics {

Tensor ImageSet::floats(int64_t first, int64_t count) const {
  Tensor x = Tensor::empty({count, shape.height, shape.width, shape.channels}, DType::f32);
  const auto from = std::span(bytes).subspan(static_cast<size_t>(first) * shape.numel(),
                                             static_cast<size_t>(count) * shape.numel());
  std::ranges::transform(from, x.data<float>(),
                         [](uint8_t b) { return static_cast<float>(b) / 255.0f; });
  return x;
}

ImageSet ImageSet::some(int64_t most) const {
  const int64_t n = std::min(most, size());
  ImageSet part{.name = name, .shape = shape, .bytes = {}};
  for (int64_t i = 0; i < n; ++i) {
    const auto pixels = image(i * size() / n);
    part.bytes.insert(part.bytes.end(), pixels.begin(), pixels.end());
  }
  return part;
}

ImageSet images_of(const data::Dataset& set, int64_t count) {
  if (!set.has_bytes()) {
    fail(ErrorCode::bad_combination, set.name(), "holds points, not images",
         "give a data set of images");
  }
  const int64_t n = count == 0 ? set.size() : std::min(count, set.size());
  ImageSet images{.name = set.name(), .shape = set.shape(), .bytes = {}};
  const uint64_t most = data::kMaxContentBytes / images.shape.numel();
  if (static_cast<uint64_t>(n) > most) {
    fail(ErrorCode::bad_combination, set.name(),
         "has " + std::to_string(n) + " images, too many to hold at once",
         "use --reference-images " + std::to_string(most));
  }
  for (int64_t i = 0; i < n; ++i) {
    const std::vector<uint8_t> pixels = set.pixels(i * set.size() / n);
    images.bytes.insert(images.bytes.end(), pixels.begin(), pixels.end());
  }
  return images;
}

ImageSet images_of(const Tensor& samples, data::PixelMap pixels, std::string name) {
  std::vector<float> values = samples.to_vector<float>();
  data::from_network_range(pixels, values);
  return {.name = std::move(name),
          .shape = {static_cast<int>(samples.size(1)), static_cast<int>(samples.size(2)),
                    static_cast<int>(samples.size(3))},
          .bytes = data::to_bytes(values, data::Rounding::truncate)};
}

ImageSet read_samples(const std::filesystem::path& file) {
  const data::NpzFile archive(file);
  const std::string name = archive.contains("samples") ? "samples" : "arr_0";
  const Tensor array = archive.read(name);
  const auto refuse = [&](const std::string& fact) {
    fail(ErrorCode::file_mismatch, file.string(), fact,
         "give images as uint8 [N, height, width, 1 or 3]");
  };
  if (array.rank() != 4 || array.dtype() != DType::u8) {
    refuse(name + " is " + to_string(array.dtype()) + " " + to_string(array.shape()));
  }
  constexpr int64_t kMostPixels = 1 << 16;  // along a side
  const Shape& s = array.shape();
  const bool pictures = (s[3] == 1 || s[3] == 3) && s[0] >= 1 && s[1] >= 1 && s[2] >= 1 &&
                        s[1] <= kMostPixels && s[2] <= kMostPixels;
  if (!pictures) refuse(name + " has shape " + to_string(s));
  return {.name = file.string(),
          .shape = {static_cast<int>(s[1]), static_cast<int>(s[2]), static_cast<int>(s[3])},
          .bytes = array.to_vector<uint8_t>()};
}

}  // namespace ito::metrics
