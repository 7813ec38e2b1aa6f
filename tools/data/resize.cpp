#include "tools/data/resize.h"

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"

namespace ito::data {

namespace {

double weight(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return std::max(0.0, 1 - x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/// Which pixels of a line make one pixel of the target, and with which weights.
struct Taps {
  int first = 0;
  std::vector<double> weights;
};

std::vector<Taps> taps_of(int from, int to, Filter filter) {
  const double scale = double(from) / to, width = std::max(1.0, scale);
  const double reach = width * (filter == Filter::bilinear ? 1 : 2);
  std::vector<Taps> list;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, int(std::floor(centre - reach)));
    const int end = std::min(from, int(std::ceil(centre + reach)));
    Taps taps{first, {}};
    double sum = 0;
    for (int k = first; k < end; ++k) {
      taps.weights.push_back(weight(filter, (k + 0.5 - centre) / width));
      sum += taps.weights.back();
    }
    for (double& w : taps.weights) w /= sum;
    list.push_back(std::move(taps));
  }
  return list;
}

/// Resamples the middle one of three axes [outer, from, inner].
std::vector<double> resample(const std::vector<double>& in, size_t outer, size_t from, size_t inner,
                             const std::vector<Taps>& taps) {
  std::vector<double> out(outer * taps.size() * inner, 0.0);
  for (size_t o = 0; o < outer; ++o) {
    for (size_t i = 0; i < taps.size(); ++i) {
      double* target = out.data() + (o * taps.size() + i) * inner;
      for (size_t k = 0; k < taps[i].weights.size(); ++k) {
        const double w = taps[i].weights[k];
        const double* line = in.data() + (o * from + size_t(taps[i].first) + k) * inner;
        for (size_t c = 0; c < inner; ++c) target[c] += w * line[c];
      }
    }
  }
  return out;
}

}  // namespace

Image resized(const Image& image, int height, int width, Filter filter) {
  const ImageShape from = image.shape;
  ITO_CHECK(height > 0 && width > 0 && from.numel() > 0, ValueError, "pictures have pixels",
            kv("height", height), kv("width", width));
  if (from.height == height && from.width == width) return image;
  const auto inner = size_t(from.channels);
  const std::vector<double> in(image.bytes.begin(), image.bytes.end());
  const std::vector<double> rows = resample(in, 1, size_t(from.height), size_t(from.width) * inner,
                                            taps_of(from.height, height, filter));
  const std::vector<double> out =
      resample(rows, size_t(height), size_t(from.width), inner, taps_of(from.width, width, filter));
  Image result{{height, width, from.channels}, std::vector<uint8_t>(out.size())};
  std::ranges::transform(out, result.bytes.begin(), [](double v) {
    return uint8_t(std::clamp(std::floor(v + 0.5), 0.0, 255.0));
  });
  return result;
}

Image centre_crop(const Image& image, int height, int width) {
  const ImageShape from = image.shape;
  ITO_CHECK(height > 0 && width > 0 && height <= from.height && width <= from.width, ValueError,
            "a part is not larger than the picture", kv("height", height), kv("width", width));
  Image result{{height, width, from.channels}, {}};
  const int top = (from.height - height) / 2, left = (from.width - width) / 2;
  for (int y = top; y < top + height; ++y) {
    const size_t begin = (size_t(y) * size_t(from.width) + size_t(left)) * size_t(from.channels);
    const auto row = image.bytes.begin() + std::ptrdiff_t(begin);
    result.bytes.insert(result.bytes.end(), row,
                        row + std::ptrdiff_t(width) * std::ptrdiff_t(from.channels));
  }
  return result;
}

Image with_channels(const Image& image, int channels) {
  if (image.shape.channels == channels) return image;
  Image result{{image.shape.height, image.shape.width, channels}, {}};
  const size_t step = size_t(image.shape.channels);
  for (size_t p = 0; p < image.bytes.size(); p += step) {
    const uint8_t* v = image.bytes.data() + p;
    const double grey = step == 1 ? v[0] : 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
    result.bytes.insert(result.bytes.end(), size_t(channels), uint8_t(std::floor(grey + 0.5)));
  }
  return result;
}

}  // namespace ito::data
