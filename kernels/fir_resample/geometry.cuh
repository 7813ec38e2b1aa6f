// How the FIR kernels cut an image: columns of V channels, strips of rows.
#pragma once

#include <cmath>
#include <numeric>

#include "kernels/common/gpu_kernels.h"
#include "kernels/fir_resample/op.h"

namespace ito::ITO_GPU_NS::fir {

constexpr int kThreads = 128;
constexpr int kMaxTaps = 64;
constexpr int kLongestStrip = 16;
constexpr std::int64_t kEnoughBlocks = 4 * 132;

/// Sizes along y and x. Output j takes input i with tap origin + j down - i up.
struct Axis {
  int in, out, origin;
};

struct Geometry {
  Axis y, x;
  int channels, up, down, count;
  int rows, columns;         ///< of the threads: outputs, or pairs of them
  int strip, strips, tiles;  ///< rows per thread; blocks of a sample along y and x
  float taps[kMaxTaps];      ///< of one axis, with the gain
};

/// Where a thread stands: its column, first channel and rows.
template <int V>
struct Place {
  int column, first, end;
  bool inside;
  std::size_t channel, sample;

  DEV explicit Place(const Geometry& g) {
    const unsigned tiles = static_cast<unsigned>(g.tiles), strips = static_cast<unsigned>(g.strips);
    const int vectors = g.channels / V;
    const int item = static_cast<int>(blockIdx.x % tiles) * kThreads + gpu::thread_rank();
    column = item / vectors;
    channel = static_cast<std::size_t>(item % vectors) * V;
    first = static_cast<int>(blockIdx.x / tiles % strips) * g.strip;
    end = first + g.strip < g.rows ? first + g.strip : g.rows;
    sample = blockIdx.x / tiles / strips;
    inside = column < g.columns;
  }
  DEV std::size_t at(const Geometry& g, int height, int width, int row, int col) const {
    const std::size_t line = sample * static_cast<std::size_t>(height) + row;
    return (line * static_cast<std::size_t>(width) + col) * g.channels + channel;
  }
};

enum class Path { up2, down2, any };

inline Path path_of(const ops::FirAttrs& a) {
  if (a.taps.size() == 4 && a.up == 2 && a.down == 1) return Path::up2;
  if (a.taps.size() == 4 && a.up == 1 && a.down == 2) return Path::down2;
  return Path::any;
}

/// Threads along an axis: outputs, or for up2 the pairs that share their newest input.
inline int units_of(const Axis& axis, Path path) {
  if (path != Path::up2) return axis.out;
  const auto pair = [](int origin) { return origin >> 1; };  // floor
  return pair(axis.origin + axis.out - 1) - pair(axis.origin) + 1;
}

inline Geometry geometry_of(const Shape& x, const Shape& y, const ops::FirAttrs& a, Path path,
                            int vector) {
  Geometry g{};
  const auto last_tap = static_cast<std::int64_t>(a.taps.size()) - 1;
  g.y = {static_cast<int>(x[1]), static_cast<int>(y[1]), static_cast<int>(last_tap - a.pad_y0)};
  g.x = {static_cast<int>(x[2]), static_cast<int>(y[2]), static_cast<int>(last_tap - a.pad_x0)};
  g.channels = static_cast<int>(x[3]);
  g.up = a.up;
  g.down = a.down;
  g.count = static_cast<int>(a.taps.size());
  const double scale = std::sqrt(a.gain) / std::accumulate(a.taps.begin(), a.taps.end(), 0.0);
  for (std::size_t i = 0; i < a.taps.size(); ++i) g.taps[i] = static_cast<float>(a.taps[i] * scale);
  g.rows = units_of(g.y, path);
  g.columns = units_of(g.x, path);
  g.tiles = static_cast<int>(
      gpu::blocks_for(static_cast<std::int64_t>(g.columns) * (g.channels / vector), kThreads));
  g.strip = kLongestStrip;
  const auto blocks = [&] { return x[0] * g.tiles * gpu::blocks_for(g.rows, g.strip); };
  while (g.strip > 1 && blocks() < kEnoughBlocks) g.strip /= 2;
  g.strips = static_cast<int>(gpu::blocks_for(g.rows, g.strip));
  return g;
}

inline bool handles(const ops::FirAttrs& a) { return a.taps.size() <= kMaxTaps; }

}  // namespace ito::ITO_GPU_NS::fir
