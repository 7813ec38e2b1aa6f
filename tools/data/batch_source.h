// Batches of a data set as a pure function of the step, so that a resumed run sees what an
// uninterrupted one would have seen.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/random/noise.h"
#include "tools/data/dataset.h"
#include "tools/data/pixel_map.h"

namespace ito::data {

/// How samples become network inputs. Points are handed on as they are. At most one of the two ways
/// of dequantisation; logit excludes centered and Gaussian dequantisation (DataConfig::validate).
struct BatchOptions {
  bool random_flip = false;              ///< mirror left-right with probability 1/2
  bool uniform_dequantization = false;   ///< (byte + u) / 256 with u uniform in [0, 1)
  bool gaussian_dequantization = false;  ///< byte / 255 + 0.01 z with z normal (NCSNv2)
  bool logit_transform = false;          ///< logit(x), see pixel_map.h
  bool centered = false;                 ///< 2 x - 1, after the others
};

/// What a configuration says of batches.
BatchOptions batch_options(const DataConfig& config);

/// Position p = step * batch + i of an endless stream shows image permutation(epoch)[p mod size] of
/// epoch p / size: an epoch shows every image exactly once and batches may straddle two epochs.
/// Order, flips and noise depend on (seed, epoch, image) only, not on the batch size, the calls
/// before, or the thread. Thread-safe.
class BatchSource {
 public:
  /// Throws ValueError for batch < 1 or a data set of 2^32 samples or more, UserError
  /// bad_combination for flips, dequantisation or logits of points.
  BatchSource(std::shared_ptr<const Dataset> dataset, int64_t batch, uint64_t seed,
              BatchOptions options = {});

  /// Fills nhwc [batch, H, W, C] f32 in [0, 1] ([-1, 1] if centered; without
  /// bounds after Gaussian dequantisation and logits), labels [batch] and
  /// sample_indices [batch] (positions in the data set); the last two may be empty if not wanted.
  /// Throws ValueError for step < 0 or wrong lengths.
  void batch_at(int64_t step, std::span<float> nhwc, std::span<int64_t> labels,
                std::span<int64_t> sample_indices) const;

  int64_t batch() const { return batch_; }
  const Dataset& dataset() const { return *dataset_; }

 private:
  using Order = std::shared_ptr<const std::vector<uint32_t>>;
  Order order_of(uint32_t epoch) const;
  void make_sample(uint32_t epoch, uint32_t index, std::span<float> out) const;

  std::shared_ptr<const Dataset> dataset_;
  int64_t batch_;
  uint64_t seed_;
  BatchOptions options_;
  mutable std::mutex mutex_;
  // The two epochs that a batch may straddle, at epoch mod 2.
  struct Cached {
    uint32_t epoch = 0;
    Order order;
  };
  mutable Cached cache_[2];
};

}  // namespace ito::data
