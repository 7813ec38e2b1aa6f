// group_norm_silu for images that no block can hold. A sample is cut into slabs of pixels, so that
// one image fills the chip (forward: two reads, one write; backward: four reads, one write). Here:
// what both directions share; the kernels are in split_forward.cuh and split_backward.cuh.
//
// Inside a block, threads stand in rows (pixels) and columns (V neighbouring channels each).
#pragma once

#include "kernels/group_norm_silu/pieces.cuh"

namespace ito::ITO_GPU_NS::split {

constexpr int kThreads = 256;
constexpr int kPixelsPerThread = 8;  // at least
constexpr int kMostSlabs = 1024;     // of a sample: one block per group merges them
constexpr int kGroupThreads = 128;   // of a block that finishes one group

/// Sizes as the kernels use them; `columns` is a power of two.
struct Geometry {
  int pixels, channels, groups, channels_per_group;
  int columns, slab, slabs;  ///< threads side by side, pixels of a slab, slabs of a sample
  bool silu;
  double eps;
};

/// Where the threads of a block stand: first pixel and first channel, and the step in pixels.
template <int V>
struct Place {
  int column, row, rows, channel, first, end;
  std::size_t image;  ///< offset of the sample
  bool inside;        ///< whether the thread has channels

  DEV explicit Place(const Geometry& g)
      : column(gpu::thread_rank() % g.columns),
        row(gpu::thread_rank() / g.columns),
        rows(kThreads / g.columns),
        channel((static_cast<int>(blockIdx.z) * g.columns + column) * V),
        first(static_cast<int>(blockIdx.y) * g.slab),
        end(first + g.slab < g.pixels ? first + g.slab : g.pixels),
        image(static_cast<std::size_t>(blockIdx.x) * static_cast<std::size_t>(g.pixels) *
              static_cast<std::size_t>(g.channels)),
        inside(channel < g.channels) {}
  /// Index inside the sample, which the counter of the dropout takes.
  DEV std::uint32_t element(const Geometry& g, int pixel) const {
    return static_cast<std::uint32_t>(pixel) * static_cast<std::uint32_t>(g.channels) +
           static_cast<std::uint32_t>(channel);
  }
  DEV std::size_t at(const Geometry& g, int pixel) const {
    return image + static_cast<std::size_t>(pixel) * static_cast<std::size_t>(g.channels) +
           static_cast<std::size_t>(channel);
  }
};

template <int V, class T>
DEV Channels<V> channels_of(const Geometry& g, const Place<V>& p, const T* w, const T* b,
                            const T* shift, const float* stats) {
  const int sample = static_cast<int>(blockIdx.x);
  Channels<V> k;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const int c = p.inside ? p.channel + i : 0;
    const float offset = shift == nullptr ? 0.0f : gpu::widen(shift[sample * g.channels + c]);
    k.set(i, stats + (sample * g.groups + c / g.channels_per_group) * 2, gpu::widen(w[c]),
          gpu::widen(b[c]), offset);
  }
  return k;
}

inline Geometry geometry_of(const Shape& x, const ops::GroupNormAttrs& a, int vector) {
  Geometry g{};
  g.pixels = static_cast<int>(x.numel_of(1, x.rank() - 1));
  g.channels = static_cast<int>(x[-1]);
  g.groups = a.groups;
  g.channels_per_group = g.channels / g.groups;
  g.columns = 1;
  while (g.columns < gpu::kWarpSize && g.columns * vector < g.channels) g.columns *= 2;
  g.slab = kThreads / g.columns * kPixelsPerThread;
  while (g.slab < g.pixels / kMostSlabs) g.slab *= 2;
  g.slabs = static_cast<int>(gpu::blocks_for(g.pixels, g.slab));
  g.silu = a.activation == ops::NormActivation::silu;
  g.eps = a.eps;
  return g;
}

/// Blocks of the kernels that visit every pixel. Samples come first: y and z end at 65535.
template <int V>
dim3 pixel_grid(const Geometry& g, int64_t samples) {
  return dim3(static_cast<unsigned>(samples), static_cast<unsigned>(g.slabs),
              gpu::blocks_for(g.channels, g.columns * V));
}
inline dim3 group_grid(const Geometry& g, int64_t samples) {
  return dim3(static_cast<unsigned>(samples), static_cast<unsigned>(g.groups));
}

}  // namespace ito::ITO_GPU_NS::split
