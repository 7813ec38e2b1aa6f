// What the GPU kernels of max_pool and max_pool_dx share: one thread per V neighbouring channels of
// a pixel (or window), and the walk through a window.
#pragma once

#include "kernels/common/index_space.cuh"
#include "kernels/max_pool/params.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Sizes of a launch that makes images of `height` x `width`; channels in items of V values.
struct PoolGrid {
  PoolAxis rows, columns;
  Divider channels, width, height;
  unsigned first_row = 0;   ///< rows made by earlier launches
  std::size_t pixels = 0;   ///< of an image
  std::size_t windows = 0;  ///< of an image
};

/// The place of a thread.
struct PoolItem {
  std::size_t image;
  int row, column;
  unsigned channel;  ///< in items of V values

  DEV PoolItem(const PoolGrid& g, unsigned item) {
    const unsigned pixel = g.channels.quotient(item);
    channel = item - pixel * g.channels.divisor;
    const unsigned line = g.width.quotient(pixel), y = g.first_row + line;
    column = static_cast<int>(pixel - line * g.width.divisor);
    image = g.height.quotient(y);
    row = static_cast<int>(y - static_cast<unsigned>(image) * g.height.divisor);
  }
};

/// Calls run(grid, first item, items) for parts of n images of height x width x channels items.
template <class Run>
void for_pool_parts(const PoolGeometry& g, int64_t height, int64_t width, int64_t channels,
                    const Run& run) {
  ITO_CHECK(g.n * height <= kMaxItems, ShapeError, "too many rows for a kernel", kv("rows", g.n));
  PoolGrid grid{.rows = g.rows,
                .columns = g.columns,
                .channels = Divider(channels),
                .width = Divider(width),
                .height = Divider(height)};
  grid.pixels = static_cast<std::size_t>(g.rows.in) * static_cast<std::size_t>(g.columns.in);
  grid.windows = static_cast<std::size_t>(g.rows.out) * static_cast<std::size_t>(g.columns.out);
  const int64_t row = width * channels;
  for_row_parts(g.n * height, row, [&](int64_t first, int64_t count) {
    grid.first_row = static_cast<unsigned>(first);
    run(grid, first * row, static_cast<unsigned>(count * row));
  });
}

/// Walks window (r, s) of an image in row-major order: follow(item of the pixel, place in the
/// window, value of channel v, v) wherever the key is the largest so far. `keys` stands at the
/// thread's channel.
template <int V, class T, class Follow>
DEV void walk_window(const PoolGrid& g, int r, int s, const T* keys, const Follow& follow) {
  const IndexRange rows = g.rows.pixels(r), columns = g.columns.pixels(s);
  float best[V] = {};
  bool first = true;
  for (int i = rows.begin; i < rows.end; ++i) {
    for (int j = columns.begin; j < columns.end; ++j) {
      const std::size_t at = (static_cast<std::size_t>(i) * static_cast<unsigned>(g.columns.in) +
                              static_cast<unsigned>(j)) *
                             g.channels.divisor;
      const int place = (i - g.rows.start(r)) * g.rows.kernel + (j - g.columns.start(s));
      float key[V];
      load_floats<V>(keys + at * V, key);
#pragma unroll
      for (int v = 0; v < V; ++v) {
        if (first || key[v] > best[v] || key[v] != key[v]) {
          best[v] = key[v];
          follow(at, place, key[v], v);
        }
      }
      first = false;
    }
  }
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
