#include "tools/data/batch_source.h"

#include <algorithm>
#include <limits>

#include "engine/core/check.h"

namespace ito::data {

namespace {

// What a random number of the stream decides. Each use has a noise step of its own in every epoch,
// so that no two of them share bits.
enum Use : uint32_t { kOrder, kFlip, kDequantization, kUses };

NoiseKey key_of(uint64_t seed, uint32_t epoch, Use use) {
  return {seed, Purpose::data, epoch * kUses + use};
}

void mirror(ImageShape shape, std::span<float> image) {
  const size_t width = size_t(shape.width), channels = size_t(shape.channels);
  for (size_t y = 0; y < size_t(shape.height); ++y) {
    float* row = image.data() + y * width * channels;
    for (size_t x = 0; x < width / 2; ++x) {
      std::swap_ranges(row + x * channels, row + (x + 1) * channels,
                       row + (width - 1 - x) * channels);
    }
  }
}

}  // namespace

BatchOptions batch_options(const DataConfig& config) {
  return {.random_flip = config.random_flip,
          .uniform_dequantization = config.uniform_dequantization,
          .gaussian_dequantization = config.gaussian_dequantization,
          .logit_transform = config.logit_transform,
          .centered = config.centered};
}

BatchSource::BatchSource(std::shared_ptr<const Dataset> dataset, int64_t batch, uint64_t seed,
                         BatchOptions options)
    : dataset_(std::move(dataset)), batch_(batch), seed_(seed), options_(options) {
  ITO_CHECK(batch_ >= 1, ValueError, "a batch has at least one sample", kv("batch", batch_));
  ITO_CHECK(dataset_->size() <= std::numeric_limits<uint32_t>::max(), ValueError,
            "sample indices have 32 bits", kv("size", dataset_->size()));
  if (dataset_->kind() != Kind::points) return;
  const auto refuse = [](bool asked, const std::string& key, const char* fact) {
    if (asked) fail(ErrorCode::bad_combination, key, fact, "set " + key + " = false");
  };
  refuse(options_.random_flip, "data.random_flip", "points cannot be flipped");
  refuse(options_.uniform_dequantization, "data.uniform_dequantization",
         "points are not quantised");
  refuse(options_.gaussian_dequantization, "data.gaussian_dequantization",
         "points are not quantised");
  refuse(options_.logit_transform, "data.logit_transform", "points are not in [0, 1]");
}

BatchSource::Order BatchSource::order_of(uint32_t epoch) const {
  const std::lock_guard lock(mutex_);
  Cached& slot = cache_[epoch % 2];
  if (!slot.order || slot.epoch != epoch) {
    slot.order = std::make_shared<const std::vector<uint32_t>>(
        permutation(uint32_t(dataset_->size()), key_of(seed_, epoch, kOrder)));
    slot.epoch = epoch;
  }
  return slot.order;
}

void BatchSource::make_sample(uint32_t epoch, uint32_t index, std::span<float> out) const {
  if (options_.uniform_dequantization) {
    dequantize(dataset_->pixels(index), key_of(seed_, epoch, kDequantization), index, out);
  } else {
    dataset_->read(index, out);
  }
  if (options_.gaussian_dequantization) {
    add_pixel_noise(key_of(seed_, epoch, kDequantization), index, out);
  }
  if (options_.random_flip && uniform_at(key_of(seed_, epoch, kFlip), index, 0) < 0.5f) {
    mirror(dataset_->shape(), out);
  }
  if (dataset_->kind() == Kind::images) {
    to_network_range({.centered = options_.centered, .logit = options_.logit_transform}, out);
  }
}

void BatchSource::batch_at(int64_t step, std::span<float> nhwc, std::span<int64_t> labels,
                           std::span<int64_t> sample_indices) const {
  const size_t each = dataset_->shape().numel(), count = size_t(batch_);
  const int64_t size = dataset_->size();
  const int64_t last_epoch = std::numeric_limits<uint32_t>::max() / kUses;
  ITO_CHECK(step >= 0 && step < std::numeric_limits<int64_t>::max() / batch_ - 1 &&
                (step + 1) * batch_ / size < last_epoch,
            ValueError, "the step must lie in the stream", kv("step", step), kv("batch", batch_));
  ITO_CHECK(nhwc.size() == count * each && (labels.empty() || labels.size() == count) &&
                (sample_indices.empty() || sample_indices.size() == count),
            ValueError, "outputs must have one place per sample", kv("nhwc", nhwc.size()),
            kv("labels", labels.size()), kv("indices", sample_indices.size()), kv("batch", count));
  Order order;
  int64_t order_epoch = -1;
  for (size_t i = 0; i < count; ++i) {
    const int64_t position = step * batch_ + int64_t(i), epoch = position / size;
    if (epoch != order_epoch) order = order_of(uint32_t(epoch));
    order_epoch = epoch;
    const uint32_t index = (*order)[size_t(position % size)];
    make_sample(uint32_t(epoch), index, nhwc.subspan(i * each, each));
    if (!labels.empty()) labels[i] = dataset_->label(index);
    if (!sample_indices.empty()) sample_indices[i] = index;
  }
}

}  // namespace ito::data
