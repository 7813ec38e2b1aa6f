#include "tools/run/estimate.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <utility>

#include "engine/autograd/autograd.h"
#include "kernels/conv2d/op.h"

namespace ito::tools {
namespace {

constexpr int64_t kMostImages = 1 << 20;
constexpr double kPasses = 3;  // forward; backward to the input, and to the weights

/// The largest n for which fits(n), if it holds for everything below; 0 if fits(1) does not hold.
template <class Fits>
int64_t largest(Fits&& fits) {
  int64_t low = 0, high = 1;  // fits(low), not fits(high)
  while (high < kMostImages && fits(high)) low = std::exchange(high, 2 * high);
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

Estimate::Estimate(const nn::Network& network, const Config& config)
    : network_(network.clone()), image_(config.image()), activations_(config.train.activations()) {
  nn::move_to(*network_, kMeta);
  parameters_ = nn::count_parameters(*network_, nn::Training::trained) +
                nn::count_parameters(*network_, nn::Training::frozen);
  for (const nn::Parameter& p : nn::parameters_of(*network_)) {
    if (p.value->rank() >= 2) packed_ += p.value->numel();
  }
  one_ = footprint(*network_, 1);
  if (config.train.precision != "bf16") return;
  copy_ = network_->clone();
  nn::convert(*copy_, DType::bf16);
}

nn::Footprint Estimate::footprint(const nn::Network& network, int64_t images) const {
  return nn::footprint(network, image_, images, activations_);
}

int64_t Estimate::training_bytes(int64_t images) const {
  constexpr int64_t kArrays = 5;
  const int64_t bytes = kArrays * 4 * parameters_;
  if (!copy_) return bytes + footprint(*network_, images).training_bytes;
  return bytes + 2 * parameters_ + footprint(*copy_, images).training_bytes;
}

int64_t Estimate::sampling_bytes(int64_t images) const {
  const int64_t state = 4 * images * image_.image_size * image_.image_size * image_.channels;
  return 4 * (parameters_ + packed_) + 3 * state +  // x, mean, score
         footprint(*network_, images).sampling_bytes;
}

int64_t Estimate::most_training(int64_t memory) const {
  return largest([&](int64_t images) { return training_bytes(images) <= memory; });
}

int64_t Estimate::most_sampling(int64_t memory) const {
  return largest([&](int64_t images) { return sampling_bytes(images) <= memory; });
}

double Estimate::training_speed(double rate) const {
  const double again = activations_ == Activations::recompute ? 1 : 0;
  return rate / ((kPasses + again) * one_.flops);
}

double measured_rate(int channels) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kImages = 4, kSize = 16, kKernel = 3;
  constexpr double kPatience = 0.03, kLongest = 0.3;  // seconds
  const Shape image{kImages, kSize, kSize, channels};
  Tensor x = Tensor::full(image, 0.5, DType::f32);
  Tensor w = Tensor::full({channels, kKernel, kKernel, channels}, 0.01, DType::f32);
  x.set_requires_grad();
  w.set_requires_grad();
  const double flops =
      kPasses * 2 * static_cast<double>(image.numel()) * kKernel * kKernel * channels;
  const auto since = [](Clock::time_point t) {
    return std::chrono::duration<double>(Clock::now() - t).count();
  };
  const Clock::time_point began = Clock::now();
  Clock::time_point gained = began;
  double best = 0;
  while (since(gained) < kPatience && since(began) < kLongest) {
    const Clock::time_point start = Clock::now();
    const Tensor y =
        ops::conv2d(x, w, {}, {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1});
    grad({y}, {x, w}, {.seeds = {y.detach()}});
    const double rate = flops / since(start);
    if (rate > 1.01 * best) gained = Clock::now();
    best = std::max(best, rate);
  }
  return best;
}

int64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    int64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return 1024 * kib;
  }
  return 0;
}

}  // namespace ito::tools
