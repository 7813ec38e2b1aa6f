#include "tools/data/digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"
#include "engine/core/parallel.h"
#include "engine/random/noise.h"

namespace ito::data {

namespace {

struct Vec {
  float x, y;
};

using Path = std::vector<Vec>;

/// The random choices of one picture, taken in order from its own stream of uniforms.
class Chance {
 public:
  Chance(uint64_t seed, uint32_t image) {
    fill_uniform(values_, NoiseKey{seed, Purpose::data, 0}, image);
  }
  float between(float low, float high) { return low + (high - low) * values_[next_++]; }
  bool once_in(float n) { return values_[next_++] * n < 1; }

 private:
  std::array<float, 48> values_;
  size_t next_ = 0;
};

/// Collects the pen's path in the unit square: x to the right, y down.
class Pen {
 public:
  void line(Vec from, Vec to) {
    // Several pieces, so that the wobble can bend a line too.
    constexpr int kPieces = 6;
    Path path;
    for (int i = 0; i <= kPieces; ++i) {
      const float t = float(i) / kPieces;
      path.push_back({from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)});
    }
    strokes.push_back(std::move(path));
  }

  /// Part of an ellipse; angles in degrees from the right (0) over below (90) to the left (180).
  void arc(Vec centre, Vec radius, float from, float to) {
    const int pieces = std::max(4, int((to - from) / 15));
    Path path;
    for (int i = 0; i <= pieces; ++i) {
      const float angle = (from + (to - from) * float(i) / float(pieces)) * (kPi / 180);
      path.push_back(
          {centre.x + radius.x * std::cos(angle), centre.y + radius.y * std::sin(angle)});
    }
    strokes.push_back(std::move(path));
  }

  std::vector<Path> strokes;

 private:
  static constexpr float kPi = std::numbers::pi_v<float>;
};

std::vector<Path> strokes_of(int digit, Chance& chance) {
  Pen pen;
  const bool variant = chance.once_in(2);
  switch (digit) {
    case 0:
      pen.arc({.50f, .50f}, {.29f, .42f}, 0, 360);
      break;
    case 1:
      pen.line({.30f, .28f}, {.54f, .08f});
      pen.line({.54f, .08f}, {.54f, .92f});
      break;
    case 2:
      pen.arc({.48f, .32f}, {.27f, .24f}, 190, 400);
      pen.line({.687f, .474f}, {.20f, .92f});
      pen.line({.20f, .92f}, {.80f, .92f});
      break;
    case 3:
      pen.arc({.46f, .285f}, {.26f, .205f}, 200, 450);
      pen.arc({.46f, .705f}, {.30f, .215f}, 270, 515);
      break;
    case 4:
      pen.line({.58f, .08f}, {.16f, .64f});
      pen.line({.16f, .64f}, {.86f, .64f});
      pen.line({.64f, variant ? .08f : .38f}, {.64f, .92f});
      break;
    case 5:
      pen.line({.76f, .08f}, {.31f, .08f});
      pen.line({.31f, .08f}, {.28f, .46f});
      pen.arc({.48f, .65f}, {.28f, .27f}, 225, 510);
      break;
    case 6:
      pen.arc({.68f, .66f}, {.45f, .57f}, 180, 262);
      pen.arc({.50f, .67f}, {.27f, .25f}, 0, 360);
      break;
    case 7:
      pen.line({.20f, .08f}, {.80f, .08f});
      pen.line({.80f, .08f}, {.42f, .92f});
      if (variant) pen.line({.38f, .48f}, {.76f, .48f});
      break;
    case 8:
      pen.arc({.50f, .285f}, {.23f, .205f}, 0, 360);
      pen.arc({.50f, .705f}, {.28f, .215f}, 0, 360);
      break;
    default:
      pen.arc({.50f, .33f}, {.27f, .25f}, 0, 360);
      if (variant) {
        pen.line({.77f, .33f}, {.70f, .92f});
      } else {
        pen.arc({.32f, .34f}, {.45f, .57f}, 0, 82);
      }
  }
  return std::move(pen.strokes);
}

/// Moves every point by a smooth random field: displacements at 3 x 3 knots, in between the
/// quadratic through them.
class Wobble {
 public:
  explicit Wobble(Chance& chance) {
    constexpr float kStrength = 0.055f;
    for (Vec& knot : knots_) {
      knot = {chance.between(-kStrength, kStrength), chance.between(-kStrength, kStrength)};
    }
  }
  Vec operator()(Vec p) const {
    const auto wx = weights(p.x), wy = weights(p.y);
    for (size_t k = 0; k < knots_.size(); ++k) {
      p.x += wx[k % 3] * wy[k / 3] * knots_[k].x;
      p.y += wx[k % 3] * wy[k / 3] * knots_[k].y;
    }
    return p;
  }

 private:
  /// Lagrange polynomials of the knots 0, 1/2, 1.
  static std::array<float, 3> weights(float t) {
    return {(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)};
  }
  std::array<Vec, 9> knots_;
};

/// Scales, slants, turns and places the strokes: unit square in, pixels out.
void place(std::vector<Path>& strokes, int size, float half_width, Chance& chance) {
  const float height = chance.between(0.76f, 0.92f);
  const float width = height * chance.between(0.78f, 1.05f);
  const float slant = chance.between(-0.12f, 0.22f);
  const float angle = chance.between(-0.10f, 0.10f);
  const float c = std::cos(angle), s = std::sin(angle);
  Vec low{1, 1}, high{-1, -1};
  for (Path& path : strokes) {
    for (Vec& p : path) {
      const float y = height * (p.y - 0.5f), x = width * (p.x - 0.5f) - slant * y;
      p = {c * x - s * y, s * x + c * y};
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
  }
  // The ink keeps half a pixel of paper on all sides: shrunk where it is too large for that, then
  // placed anywhere that is allowed and not far from the middle.
  const float space = 1 - 2 * half_width - 1.0f / float(size);
  const float fit = std::min(1.0f, space / std::max(high.x - low.x, high.y - low.y));
  const auto shift = [&](float from, float to, float random) {
    const float room = std::max(0.0f, space - fit * (to - from));
    return 0.5f - fit * (from + to) / 2 + random * std::min(room / 2, 0.10f);
  };
  const float dx = shift(low.x, high.x, chance.between(-1, 1));
  const float dy = shift(low.y, high.y, chance.between(-1, 1));
  for (Path& path : strokes) {
    for (Vec& p : path) p = {(fit * p.x + dx) * float(size), (fit * p.y + dy) * float(size)};
  }
}

float distance_squared(Vec p, Vec a, Vec b) {
  const Vec ab{b.x - a.x, b.y - a.y}, ap{p.x - a.x, p.y - a.y};
  const float length = ab.x * ab.x + ab.y * ab.y;
  const float t = std::clamp((ab.x * ap.x + ab.y * ap.y) / std::max(length, 1e-12f), 0.0f, 1.0f);
  const float dx = ap.x - t * ab.x, dy = ap.y - t * ab.y;
  return dx * dx + dy * dy;
}

/// How much of each pixel is ink, in [0, 1]: a ramp one pixel wide on the distance to the path.
std::vector<float> coverage(const std::vector<Path>& strokes, int size, float radius) {
  const float reach = radius + 0.5f;
  std::vector<float> nearest(size_t(size) * size_t(size), reach * reach);
  const auto first = [&](float v) { return std::clamp(int(std::floor(v - reach)), 0, size); };
  const auto last = [&](float v) { return std::clamp(int(std::ceil(v + reach)), 0, size); };
  for (const Path& path : strokes) {
    for (size_t k = 0; k + 1 < path.size(); ++k) {
      const Vec a = path[k], b = path[k + 1];
      for (int y = first(std::min(a.y, b.y)); y < last(std::max(a.y, b.y)); ++y) {
        for (int x = first(std::min(a.x, b.x)); x < last(std::max(a.x, b.x)); ++x) {
          float& d = nearest[size_t(y) * size_t(size) + size_t(x)];
          d = std::min(d, distance_squared({float(x) + 0.5f, float(y) + 0.5f}, a, b));
        }
      }
    }
  }
  for (float& d : nearest) d = std::clamp(reach - std::sqrt(d), 0.0f, 1.0f);
  return nearest;
}

using Colour = std::array<float, 3>;

/// Ink and paper for RGB pictures: a bright hue on a dark one.
void choose_colours(Chance& chance, Colour& ink, Colour& paper) {
  for (float& c : paper) c = chance.between(0.0f, 0.35f);
  for (float& c : ink) c = chance.between(0.45f, 1.0f);
  ink[size_t(chance.between(0, 3))] = 1.0f;
}

/// Picture `index` of a seed, to pixels [size, size, channels].
void draw_digit(uint64_t seed, int index, int size, int channels, uint8_t* pixels) {
  Chance chance(seed, uint32_t(index));
  std::vector<Path> strokes = strokes_of(index % 10, chance);
  const Wobble wobble(chance);
  for (Path& path : strokes) std::transform(path.begin(), path.end(), path.begin(), wobble);
  const float half_width = chance.between(0.045f, 0.07f);
  place(strokes, size, half_width, chance);
  Colour ink{1, 1, 1}, paper{0, 0, 0};
  if (channels == 3) choose_colours(chance, ink, paper);
  for (const float covered : coverage(strokes, size, half_width * float(size))) {
    for (size_t c = 0; c < size_t(channels); ++c) {
      *pixels++ = uint8_t((paper[c] + covered * (ink[c] - paper[c])) * 255.0f + 0.5f);
    }
  }
}

}  // namespace

Dataset::Content make_digits(uint64_t seed, int count, int size, int channels) {
  ITO_CHECK(size >= kMinDigitSize && size <= kMaxDigitSize, ValueError,
            "digits have a limited size in pixels", kv("size", size), kv("least", kMinDigitSize),
            kv("most", kMaxDigitSize));
  ITO_CHECK(channels == 1 || channels == 3, ValueError, "digits are grey or RGB",
            kv("channels", channels));
  Dataset::Content content;
  content.shape = {size, size, channels};
  content.classes = 10;
  content.pixels.resize(size_t(count) * size_t(content.shape.numel()));
  content.labels.resize(size_t(count));
  constexpr int64_t kTogether = 64;
  parallel_ranges(count, kTogether, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      draw_digit(seed, int(i), size, channels, &content.pixels[size_t(i * content.shape.numel())]);
      content.labels[size_t(i)] = uint8_t(i % 10);
    }
  });
  return content;
}

}  // namespace ito::data
