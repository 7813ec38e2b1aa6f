#include "tools/metrics/network_features.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/autograd/autograd.h"
#include "engine/core/parallel.h"
#include "models/classifier/wide_resnet.h"
#include "sde/score.h"
#include "tools/data/resize.h"

namespace ito::metrics {
namespace {

constexpr int kSide = 299;

/// Between which two pixels of an axis a pixel of the result lies.
struct Tap {
  int low = 0, high = 0;
  float fraction = 0;
};

std::vector<Tap> taps_of(int size, Resize resize) {
  std::vector<Tap> taps;
  const double step = static_cast<double>(size) / kSide;
  for (int i = 0; i < kSide; ++i) {
    const double place = resize == Resize::tf1 ? i * step : std::max(0.0, (i + 0.5) * step - 0.5);
    const int low = std::min(static_cast<int>(place), size - 1);
    taps.push_back({low, std::min(low + 1, size - 1), static_cast<float>(place - low)});
  }
  return taps;
}

float between(float a, float b, float fraction) { return a + (b - a) * fraction; }

/// Bilinear, in bytes' units.
void interpolate(std::span<const uint8_t> image, const data::ImageShape& s, Resize resize,
                 std::span<float> out) {
  const std::vector<Tap> rows = taps_of(s.height, resize), columns = taps_of(s.width, resize);
  const auto pixel = [&](int i, int j, int c) {
    return static_cast<float>(image[static_cast<size_t>((i * s.width + j) * s.channels + c)]);
  };
  size_t at = 0;
  for (const Tap& r : rows) {
    for (const Tap& k : columns) {
      for (int c = 0; c < 3; ++c) {
        const int channel = s.channels == 3 ? c : 0;
        const float top =
            between(pixel(r.low, k.low, channel), pixel(r.low, k.high, channel), k.fraction);
        const float bottom =
            between(pixel(r.high, k.low, channel), pixel(r.high, k.high, channel), k.fraction);
        out[at++] = between(top, bottom, r.fraction);
      }
    }
  }
}

void antialiased(std::span<const uint8_t> image, const data::ImageShape& s, std::span<float> out) {
  const data::Image resized = data::with_channels(
      data::resized({s, {image.begin(), image.end()}}, kSide, kSide, data::Filter::bicubic), 3);
  std::ranges::transform(resized.bytes, out.begin(),
                         [](uint8_t b) { return static_cast<float>(b); });
}

/// Runs `network` over batches and collects what it returns.
NetworkFeatures collect(int64_t count, const FeatureOptions& options,
                        const std::function<std::pair<Tensor, Tensor>(int64_t, int64_t)>& network) {
  const NoGradScope off;
  NetworkFeatures all;
  for (int64_t first = 0; first < count; first += options.batch) {
    const int64_t n = std::min(options.batch, count - first);
    auto [pool, logits] = network(first, n);
    pool = pool.to(kCpu);
    logits = logits.to(kCpu);
    if (!all.pool) {
      all.pool = Tensor::empty({count, pool.size(1)}, DType::f32);
      all.logits = Tensor::empty({count, logits.size(1)}, DType::f32);
    }
    std::memcpy(all.pool.data<float>() + first * pool.size(1), pool.data<float>(), pool.bytes());
    std::memcpy(all.logits.data<float>() + first * logits.size(1), logits.data<float>(),
                logits.bytes());
    if (options.progress) options.progress(first + n);
  }
  return all;
}

}  // namespace

Resize resize_by_name(const std::string& name) {
  if (name == "tf1") return Resize::tf1;
  if (name == "half-pixel") return Resize::half_pixel;
  if (name == "antialias") return Resize::antialias;
  fail(ErrorCode::bad_value, "--resize", "is \"" + name + "\"", "use tf1, half-pixel or antialias");
}

Tensor inception_input(const ImageSet& images, int64_t first, int64_t count, Resize resize) {
  Tensor x = Tensor::empty({count, kSide, kSide, 3}, DType::f32);
  constexpr size_t kNumel = size_t{kSide} * kSide * 3;
  parallel_for(count, [&](int64_t i) {
    const auto out = x.span<float>().subspan(static_cast<size_t>(i) * kNumel, kNumel);
    if (resize == Resize::antialias) {
      antialiased(images.image(first + i), images.shape, out);
    } else {
      interpolate(images.image(first + i), images.shape, resize, out);
    }
    for (float& v : out) v = (v - 127.5f) / 127.5f;
  });
  return x;
}

NetworkFeatures inception_features(const nn::Inception& network, const ImageSet& images,
                                   Resize resize, const FeatureOptions& options) {
  return collect(images.size(), options, [&](int64_t first, int64_t n) {
    const Tensor x = inception_input(images, first, n, resize).to(options.device);
    const Tensor pool = network.features(x);
    return std::pair(pool, network.score_logits(pool));
  });
}

NetworkFeatures classifier_features(const sde::Classifier& classifier, const ImageSet& images,
                                    const FeatureOptions& options) {
  const data::ImageShape& s = images.shape;
  const Shape shape{s.height, s.width, s.channels};
  if (classifier.sample_shape != shape) {
    fail(ErrorCode::bad_combination, classifier.file.string(),
         "classifies images " + to_string(classifier.sample_shape) + ", these are " +
             to_string(shape),
         "train a classifier on this data");
  }
  const auto* network = dynamic_cast<const nn::WideResNet*>(classifier.network.get());
  ITO_CHECK(network != nullptr, InternalError, "classifiers are Wide-ResNets");
  constexpr double kLeastTime = 1e-5;  // where the training of classifiers starts
  const double sigma = classifier.sde->sigma(kLeastTime);
  return collect(images.size(), options, [&](int64_t first, int64_t n) {
    Tensor x = images.floats(first, n);
    if (classifier.sde->centered_data()) {
      for (float& v : x.span<float>()) v = 2 * v - 1;
    }
    x = x.to(options.device);
    const Tensor pool = network->features(x, sde::per_sample(std::span(&sigma, 1), x));
    return std::pair(pool, network->logits(pool));
  });
}

}  // namespace ito::metrics
