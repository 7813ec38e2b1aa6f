// Where samples go while they are drawn, so that a run that was stopped goes on where it was.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "tools/data/image.h"
#include "tools/run/array_file.h"

namespace ito::tools {

/// A folder of seed_000017.png, with samples.json, which says what they depend on.
class PngFolder {
 public:
  /// Throws UserError: output_exists if pictures with another record, or with none, are there and
  /// `existing` is refuse (else they are removed); output_locked; write_failed.
  PngFolder(std::filesystem::path folder, data::ImageShape shape, const std::string& record,
            Existing existing);
  /// Leaves no record, and no folder of its own, without a picture.
  ~PngFolder();
  PngFolder(const PngFolder&) = delete;
  PngFolder& operator=(const PngFolder&) = delete;

  bool has(int64_t seed) const { return present_.contains(seed); }
  /// Throws UserError(write_failed).
  void write(int64_t seed, std::span<const uint8_t> bytes);
  std::vector<uint8_t> read(int64_t seed) const;

 private:
  std::filesystem::path file_of(int64_t seed) const;

  std::filesystem::path folder_;
  data::ImageShape shape_;
  bool made_ = false;  // by this object
  std::unique_ptr<OutputLock> lock_;
  std::set<int64_t> present_;
};

struct SampleOutputs {
  std::filesystem::path png_folder;  ///< bytes rounded to the nearest; empty: none
  std::filesystem::path npz;  ///< bytes [N, H, W, C], cut off below as the published code does
  std::filesystem::path raw;  ///< floats [N, H, W, C], before they become bytes
  Existing existing = Existing::refuse;
};

class SampleStore {
 public:
  /// `record`: JSON object of everything that a sample depends on besides its seed. Arrays hold the
  /// samples in the order of `seeds`. Throws as its parts do, before anything is drawn.
  SampleStore(const SampleOutputs& outputs, const std::string& record, std::vector<int64_t> seeds,
              const Shape& sample_shape);

  /// Whether sample i of the list is everywhere where it belongs.
  bool has(int64_t i) const;
  /// The picture of a sample, if it lies in the folder.
  std::optional<std::vector<uint8_t>> picture(int64_t i) const;
  /// Writes the samples with these places in the list; `unit` are their values, the data's range
  /// being [0, 1]. All places below `end` are then finished.
  void write(std::span<const int64_t> places, std::span<const float> unit, int64_t end);
  /// Turns finished arrays into .npz files.
  void finish();

 private:
  std::vector<int64_t> seeds_;
  size_t per_sample_;
  std::unique_ptr<PngFolder> folder_;
  std::unique_ptr<ArrayFile> npz_, raw_;
};

}  // namespace ito::tools
