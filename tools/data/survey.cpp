#include "tools/data/survey.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/core/check.h"

namespace ito::data {

namespace {

/// Sums of a channel. Of bytes they are whole numbers below 2^53, so exact.
struct Sums {
  double sum = 0, squares = 0, count = 0;
  double least = std::numeric_limits<double>::infinity(), most = -least;

  void add(double v) {
    sum += v;
    squares += v * v;
    count += 1;
    least = std::min(least, v);
    most = std::max(most, v);
  }
  /// Of the values times `scale`.
  ChannelStatistics result(double scale) const {
    const double mean = sum / count;
    const double variance = std::max(0.0, squares / count - mean * mean);
    return {scale * mean, scale * std::sqrt(variance), scale * least, scale * most};
  }
};

/// 128 bits of a picture: FNV-1a, and a sum that multiplies before it adds. Neither is made against
/// people who want two pictures to look equal.
std::string digest(const Image& image) {
  uint64_t a = 14695981039346656037ull, b = 88172645463325252ull;
  const auto add = [&](uint64_t v) {
    a = (a ^ v) * 1099511628211ull;
    b = (b * 6364136223846793005ull + v) ^ (b >> 29);
  };
  for (const int n : {image.shape.height, image.shape.width, image.shape.channels}) {
    add(static_cast<uint64_t>(n));
  }
  for (const uint8_t v : image.bytes) add(v);
  const std::array<uint64_t, 2> both = {a, b};
  return {reinterpret_cast<const char*>(both.data()), sizeof both};
}

Image sample_of(const Dataset& set, int64_t i) {
  if (set.has_bytes()) return {set.shape(), set.pixels(i)};
  std::vector<float> point(set.shape().numel());
  set.read(i, point);
  const auto* bytes = reinterpret_cast<const uint8_t*>(point.data());
  return {set.shape(), {bytes, bytes + point.size() * sizeof(float)}};
}

}  // namespace

Statistics statistics_of(const Dataset& set) {
  const auto channels = static_cast<size_t>(set.shape().channels);
  std::vector<Sums> sums(channels);
  Statistics result;
  result.count = set.size();
  result.classes.resize(static_cast<size_t>(set.classes()));
  std::vector<float> point(set.shape().numel());
  for (int64_t i = 0; i < set.size(); ++i) {
    if (set.has_bytes()) {
      const std::vector<uint8_t> pixels = set.pixels(i);
      for (size_t k = 0; k < pixels.size(); ++k) sums[k % channels].add(pixels[k]);
    } else {
      set.read(i, point);
      for (size_t k = 0; k < point.size(); ++k) sums[k % channels].add(double{point[k]});
    }
    if (set.classes() > 0) ++result.classes[static_cast<size_t>(set.label(i))];
  }
  for (const Sums& s : sums) result.channels.push_back(s.result(set.has_bytes() ? 1.0 / 255 : 1));
  return result;
}

void Survey::add(const Dataset::Content& pictures, const Complaint& unreadable) {
  const PictureSource& files = *pictures.pictures;
  for (int64_t i = 0; i < files.size(); ++i) {
    const auto read = [&] {
      const Image picture = files.read(i);
      // Whether the framing takes it does not depend on the size asked for.
      framed(picture, {1, 1, picture.shape.channels}, pictures.framing, files.name(i));
      return picture;
    };
    add(read, files.name(i), unreadable);
  }
}

void Survey::add(const Dataset& set, const Complaint& unreadable) {
  for (int64_t i = 0; i < set.size(); ++i) {
    add([&] { return sample_of(set, i); }, set.sample_name(i), unreadable);
  }
}

void Survey::add(const Read& read, const std::string& name, const Complaint& unreadable) {
  Image picture;
  try {
    picture = read();
  } catch (const UserError& error) {
    ++unreadable_;
    unreadable(error);
    return;
  }
  ++readable_;
  ++sizes_[{picture.shape.height, picture.shape.width, picture.shape.channels}];
  const auto [place, is_new] = seen_.try_emplace(digest(picture), name);
  if (!is_new) duplicates_.emplace_back(place->second, name);
}

}  // namespace ito::data
