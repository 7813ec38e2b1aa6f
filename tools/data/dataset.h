// Data sets: images as bytes, in memory, in a mapped file, or decoded from files when they are
// asked for; or points of the plane as floats.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/data/config.h"
#include "tools/data/image.h"
#include "tools/data/mapped_file.h"
#include "tools/data/pictures.h"
#include "tools/data/split.h"

namespace ito::data {

enum class Kind { images, points };

/// Immutable after construction, so any number of threads may read it.
class Dataset {
 public:
  /// What a reader or generator hands over. Samples lie one after the other: images ([N, H, W, C]
  /// bytes) in `pixels`, or in `view` of the file `mapping`; points ([N, 2], shape {1, 1, 2}) in
  /// `points`. Or `pictures` are read from files and become images by `framing`. The others are
  /// empty. `labels` is empty, or one per sample in [0, classes).
  struct Content {
    std::string name;
    ImageShape shape;
    int classes = 0;
    bool held_out = true;  ///< false: what was read is in both splits
    std::vector<uint8_t> pixels;
    std::vector<float> points;
    std::vector<uint8_t> labels;
    std::shared_ptr<const MappedFile> mapping;
    std::span<const uint8_t> view;
    std::shared_ptr<const PictureSource> pictures;
    Framing framing = Framing::square;
  };

  /// Throws ValueError if the lengths in `content` contradict one another.
  explicit Dataset(Content content);

  const std::string& name() const { return content_.name; }
  int64_t size() const { return size_; }
  ImageShape shape() const { return content_.shape; }
  int classes() const { return content_.classes; }  ///< 0: unlabelled
  Kind kind() const { return content_.points.empty() ? Kind::images : Kind::points; }
  bool has_bytes() const { return kind() == Kind::images; }
  /// Whether the other split has samples of its own; otherwise it has the same ones.
  bool held_out() const { return content_.held_out; }

  /// Class of sample i, 0 for unlabelled sets. Throws ValueError outside [0, size).
  int64_t label(int64_t i) const;
  /// What sample i is called in messages: its file, or "image 5 of cifar10".
  std::string sample_name(int64_t i) const;
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
  std::span<const uint8_t> stored_;  // pixels or view
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
///   points of the plane (toys.h).
/// - "mnist", "fashion_mnist": idx files (idx.h); 28 x 28 is zero-padded if image_size is 32.
/// - "cifar10", "planar": binary records of a label and three colour planes (planar.h).
/// - "folder", "celeba", "celebahq", "ffhq", "lsun_bedroom", "lsun_church": folders of PNG and JPEG
///   files (folder.h), or archives of them (zip_images.h), framed as the published experiments do.
/// - "zip": archives of PNG and JPEG files.
/// - "npz": arrays of images (npz_images.h).
/// - "csv": points of the plane, as text (csv.h).
/// - "packed": files of `ito data pack` (packed.h).
/// - "auto": one of the last five, mnist or cifar10, by what lies at the path (recognise.h).
/// Throws UserError: unknown_key, bad_value or bad_combination for the configuration, and
/// file_missing, file_truncated, file_corrupt or file_mismatch for the files.
std::unique_ptr<Dataset> open_dataset(const DataConfig& config, Split split);

/// The files of a data set of pictures, unread: what open_dataset makes it of, without the shape.
/// Nothing for sets of other kinds. Throws as above.
std::optional<Dataset::Content> open_pictures(const DataConfig& config, Split split);

}  // namespace ito::data
