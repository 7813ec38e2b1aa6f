// Images to be compared: bytes, as they would lie in files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tensor.h"
#include "tools/data/dataset.h"
#include "tools/data/pixel_map.h"

namespace ito::metrics {

struct ImageSet {
  std::string name;  ///< for messages
  data::ImageShape shape;
  std::vector<uint8_t> bytes;  ///< [N, H, W, C]

  int64_t size() const { return static_cast<int64_t>(bytes.size() / shape.numel()); }
  std::span<const uint8_t> image(int64_t i) const {
    return std::span(bytes).subspan(static_cast<size_t>(i) * shape.numel(), shape.numel());
  }
  /// Images [first, first + count) as f32 [count, H, W, C] in [0, 1].
  Tensor floats(int64_t first, int64_t count) const;
  Tensor floats() const { return floats(0, size()); }
  /// At most `most` images, spread evenly: sets are often sorted by class.
  ImageSet some(int64_t most) const;
};

/// `count` images of a data set, spread evenly over it; all of them if it has no more or count is
/// 0. Throws UserError: bad_combination for points and for more than kMaxContentBytes, and what
/// reading throws.
ImageSet images_of(const data::Dataset& set, int64_t count);

/// Samples of a model, f32 [N, H, W, C] in the network's range, as bytes: cut off below, as the
/// reference implementation does before it evaluates.
ImageSet images_of(const Tensor& samples, data::PixelMap pixels, std::string name);

/// The array arr_0 or samples, uint8 [N, H, W, C], of a file of NumPy: the formats in which ADM and
/// score_sde keep samples. Throws UserError: file_mismatch and what NpzFile throws.
ImageSet read_samples(const std::filesystem::path& file);

}  // namespace ito::metrics
