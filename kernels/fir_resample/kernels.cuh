// Kernels that filter images as fir_resample does, or several images made of one (a reader says
// how). A thread owns V neighbouring channels (16 bytes) of one column and walks down a strip of
// rows. Rows filtered along x stay in registers for as long as the filter along y needs them, so a
// row is fetched once; the columns that neighbouring threads share come from the first cache.
// Strips are short enough to fill the chip; no result depends on their length.
//
// Four taps with a factor of 2 (the filter of Karras et al. 2020 and its adjoint) have kernels of
// their own:
//  - up: two outputs share their inputs n and n - 1, with taps (r0, r2) and (r1, r3);
//  - down: a window of four rows that moves by two.
// Everything else takes the sum of op.h term by term.
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

/// What is filtered: a reader makes W values of the V channels of a pixel, image after image (W = V
/// for one image). This one takes the input as it is.
template <int V>
struct SameImage {
  struct Inputs {};
  static constexpr int kValues = V;

  DEV SameImage(const Inputs&, const Geometry&, const Place<V>&) {}
  DEV void operator()(const float (&pixel)[V], float (&values)[V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = pixel[i];
  }
};

/// The values of a pixel, or 0 outside of the image; without a branch, so that many loads are under
/// way.
template <int V, int W, class Read, class T>
DEV void load_pixel(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                    int column, float (&value)[W]) {
  const bool inside = row >= 0 && row < g.y.in && column >= 0 && column < g.x.in;
  float pixel[V];
  gpu::load_floats<V>(x + (inside ? p.at(g, g.y.in, g.x.in, row, column) : 0), pixel);
  read(pixel, value);
#pragma unroll
  for (int i = 0; i < W; ++i) value[i] = inside ? value[i] : 0.0f;
}

/// sum += weight * pixel.
template <int V, int W, class Read, class T>
DEV void add_pixel(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                   int column, float weight, float (&sum)[W]) {
  float value[W];
  load_pixel(g, p, read, x, row, column, value);
#pragma unroll
  for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(weight, value[i], sum[i]);
}

/// Where the filtered images go; `second` is null where there is one.
template <class T>
struct Outputs {
  T *first, *second;
};

template <int V, int W, class T>
DEV void store_pixel(const Geometry& g, const Place<V>& p, const Outputs<T>& y, int row, int column,
                     const float (&value)[W]) {
  if (row < 0 || row >= g.y.out || column < 0 || column >= g.x.out) return;
  const std::size_t at = p.at(g, g.y.out, g.x.out, row, column);
#pragma unroll
  for (int image = 0; image < W / V; ++image) {
    float part[V];
#pragma unroll
    for (int i = 0; i < V; ++i) part[i] = value[image * V + i];
    gpu::store_floats<V>((image == 0 ? y.first : y.second) + at, part);
  }
}

DEV int floor_div(int a, int b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Both outputs of column pair `newest` in one input row.
template <int V, int W, class Read, class T>
DEV void widen_row(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                   int newest, float (&pair)[2][W]) {
  float value[2][W];  // of the newer and the older column
#pragma unroll
  for (int k = 0; k < 2; ++k) load_pixel(g, p, read, x, row, newest - k, value[k]);
#pragma unroll
  for (int phase = 0; phase < 2; ++phase) {
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float older = gpu::mul_rn(g.taps[phase + 2], value[1][i]);
      pair[phase][i] = gpu::fma_rn(g.taps[phase], value[0][i], older);
    }
  }
}

/// up = 2, down = 1, four taps: rows and columns count the newest inputs of output pairs.
template <class T, int V, class Read>
KERNEL(kThreads)
up2_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int first_y = floor_div(g.y.origin, 2);
  const int newest_x = floor_div(g.x.origin, 2) + p.column;
  float older[2][W], newer[2][W];
  widen_row(g, p, read, x, first_y + p.first - 1, newest_x, older);
  for (int row = p.first; row < p.end; ++row) {
    const int newest_y = first_y + row;
    widen_row(g, p, read, x, newest_y, newest_x, newer);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int phase_y = k / 2, phase_x = k % 2;
      float value[W];
#pragma unroll
      for (int i = 0; i < W; ++i) {
        value[i] = gpu::fma_rn(g.taps[phase_y], newer[phase_x][i],
                               gpu::mul_rn(g.taps[phase_y + 2], older[phase_x][i]));
      }
      store_pixel(g, p, y, 2 * newest_y - g.y.origin + phase_y, 2 * newest_x - g.x.origin + phase_x,
                  value);
    }
#pragma unroll
    for (int i = 0; i < 2 * W; ++i) older[i / W][i % W] = newer[i / W][i % W];
  }
}

/// up = 1, down = 2, four taps.
template <class T, int V, class Read>
KERNEL(kThreads)
down2_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int newest_x = 2 * p.column + g.x.origin;
  float window[4][W];  // rows filtered along x, the oldest first
  const auto filter_row = [&](int row, float(&sum)[W]) {
#pragma unroll
    for (int i = 0; i < W; ++i) sum[i] = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) add_pixel(g, p, read, x, row, newest_x - k, g.taps[k], sum);
  };
  const int first_newest = 2 * p.first + g.y.origin;
  filter_row(first_newest - 3, window[2]);
  filter_row(first_newest - 2, window[3]);
  for (int row = p.first; row < p.end; ++row) {
    const int newest_y = 2 * row + g.y.origin;
#pragma unroll
    for (int i = 0; i < 2 * W; ++i) window[i / W][i % W] = window[2 + i / W][i % W];
    filter_row(newest_y - 1, window[2]);
    filter_row(newest_y, window[3]);
    float sum[W] = {};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(g.taps[3 - k], window[k][i], sum[i]);
    }
    store_pixel(g, p, y, row, p.column, sum);
  }
}

/// Any factors and taps; a thread makes single outputs.
template <class T, int V, class Read>
KERNEL(kThreads)
any_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int origin_x = p.column * g.down + g.x.origin;
  const int newest_x = floor_div(origin_x, g.up);
  for (int row = p.first; row < p.end; ++row) {
    const int origin_y = row * g.down + g.y.origin;
    const int newest_y = floor_div(origin_y, g.up);
    float sum[W] = {};
    for (int ky = origin_y - newest_y * g.up, iy = newest_y; ky < g.count; ky += g.up, --iy) {
      float line[W] = {};
      for (int kx = origin_x - newest_x * g.up, ix = newest_x; kx < g.count; kx += g.up, --ix) {
        add_pixel(g, p, read, x, iy, ix, g.taps[kx], line);
      }
#pragma unroll
      for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(g.taps[ky], line[i], sum[i]);
    }
    store_pixel(g, p, y, row, p.column, sum);
  }
}

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

/// Filters x of shape `from` into images of shape `to`.
template <class T, int V, class Read>
void run(Launch& launch, const Shape& from, const Shape& to, const ops::FirAttrs& a, const T* x,
         Outputs<T> y, const typename Read::Inputs& inputs) {
  const Path path = path_of(a);
  const Geometry g = geometry_of(from, to, a, path, V);
  const auto kernel = path == Path::up2     ? up2_kernel<T, V, Read>
                      : path == Path::down2 ? down2_kernel<T, V, Read>
                                            : any_kernel<T, V, Read>;
  const auto blocks = static_cast<unsigned>(from[0] * g.tiles * g.strips);
  gpu::check(gpu::launch(kernel, blocks, kThreads, 0, launch.stream(), g, x, y, inputs));
}

inline bool handles(const ops::FirAttrs& a) { return a.taps.size() <= kMaxTaps; }

}  // namespace ito::ITO_GPU_NS::fir
