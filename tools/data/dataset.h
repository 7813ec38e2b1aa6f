// Data sets: images as bytes, in memory or decoded from files when they are asked for, or points of
// the plane as floats.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/data/config.h"
#include "tools/data/image.h"

namespace ito::data {

enum class Split { train, test };
enum class Kind { images, points };

/// Immutable after construction, so any number of threads may read it.
class Dataset {
 public:
  /// What a reader or generator hands over. Samples lie one after the other, in `pixels` for
  /// images ([N, H, W, C] bytes) or in `points` ([N, 2], shape {1, 1, 2}); or `decode` makes the
  /// bytes [H, W, C] of one of `count` images, on any thread. The others are empty. `labels` is
  /// empty, or one per sample in [0, classes).
  struct Content {
    std::string name;
    ImageShape shape;
    int classes = 0;
    std::vector<uint8_t> pixels;
    std::vector<float> points;
    std::vector<uint8_t> labels;
    std::function<std::vector<uint8_t>(int64_t i)> decode;
    size_t count = 0;
  };

  /// Throws ValueError if the lengths in `content` contradict one another.
  explicit Dataset(Content content);

  const std::string& name() const { return content_.name; }
  int64_t size() const { return size_; }
  ImageShape shape() const { return content_.shape; }
  int classes() const { return content_.classes; }  ///< 0: unlabelled
  Kind kind() const { return content_.points.empty() ? Kind::images : Kind::points; }
  bool has_bytes() const { return kind() == Kind::images; }

  /// Class of sample i, 0 for unlabelled sets. Throws ValueError outside [0, size).
  int64_t label(int64_t i) const;
  /// Bytes [H, W, C] of image i. Throws ValueError for points or outside [0, size), and what
  /// reading its file throws.
  std::vector<uint8_t> pixels(int64_t i) const;
  /// Sample i as floats: byte / 255 in [0, 1] for images [H, W, C], the coordinates for points.
  /// Throws ValueError outside [0, size) or if `out` has not shape().numel() elements.
  void read(int64_t i, std::span<float> out) const;

 private:
  size_t offset_of(int64_t i) const;

  using Bytes = std::shared_ptr<const std::vector<uint8_t>>;
  Bytes decoded(int64_t i) const;

  Content content_;
  int64_t size_ = 0;
  // Decoded images, kept where all of them fit into kMostCached.
  mutable std::mutex mutex_;
  mutable std::vector<Bytes> cache_;
};

/// Every name that open_dataset takes.
std::span<const std::string_view> dataset_names();

/// Opens a data set by name.
/// - "digits": generated pictures of 0..9 (digits.h), no file needed.
/// - "swiss_roll", "two_moons", "checkerboard", "gaussians8", "pinwheel", "spiral": generated
/// points
///   of the plane (toys.h).
/// - "mnist", "fashion_mnist": idx files (idx.h); 28 x 28 is zero-padded if image_size is 32.
/// - "cifar10", "planar": binary records of a label and three colour planes (planar.h).
/// - "folder", "celeba", "celebahq", "ffhq", "lsun_bedroom", "lsun_church": folders of PNG and JPEG
///   files (folder.h), framed as the published experiments do.
/// Throws UserError: unknown_key, bad_value or bad_combination for the configuration, and
/// file_missing, file_truncated, file_corrupt or file_mismatch for the files.
std::unique_ptr<Dataset> open_dataset(const DataConfig& config, Split split);

}  // namespace ito::data
