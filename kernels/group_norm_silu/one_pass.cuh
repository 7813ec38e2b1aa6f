// group_norm_silu for images of which a block holds a slice of whole groups in shared
// memory: every tensor is read once and written once.
//
// A slice is 8 to 64 neighbouring channels of all pixels of one image. Its threads stand in rows
// (pixels) and columns (V neighbouring channels each); a thread reads back only what it loaded.
// All sums have an order that depends on the shape of the sample alone. Here: what both directions
// share; the kernels are in one_pass_forward.cuh and one_pass_backward.cuh.
#pragma once

#include <numeric>

#include "kernels/group_norm_silu/pieces.cuh"

namespace ito::ITO_GPU_NS::one_pass {

constexpr int kThreads = 256;
constexpr int kWidest = 64;                     // channels of a slice
constexpr int kLeastBytes = 32;                 // of a pixel's piece: what memory moves at least
constexpr std::size_t kSmallSlice = 72 << 10;   // three blocks share a processor
constexpr std::size_t kLargeSlice = 104 << 10;  // two

struct Geometry {
  int pixels, channels, groups, channels_per_group;
  int width, columns,
      slices;  ///< channels of a slice, its threads side by side, slices of a sample
  bool silu;
  double eps;
};

/// Channels of a slice: whole groups and whole vectors, the widest that leaves room for other
/// blocks. 0 where none fits. It depends on the sample alone, so that no batch changes a bit.
inline int slice_width(const Shape& x, int groups, int vector, std::size_t element, int tensors) {
  const std::int64_t pixels = x.numel_of(1, x.rank() - 1), channels = x[-1];
  const std::int64_t unit = std::lcm<std::int64_t>(channels / groups, vector);
  for (const std::size_t limit : {kSmallSlice, kLargeSlice}) {
    for (std::int64_t width = kWidest / unit * unit; width > 0; width -= unit) {
      const auto bytes = static_cast<std::size_t>(width * pixels * tensors) * element;
      const bool wide = width * static_cast<std::int64_t>(element) >= kLeastBytes;
      if (channels % width != 0 || bytes > limit) continue;
      if (wide || width == channels) return static_cast<int>(width);
    }
  }
  return 0;
}

inline Geometry geometry_of(const Shape& x, const ops::GroupNormAttrs& a, int vector, int width) {
  const int channels = static_cast<int>(x[-1]);
  return {.pixels = static_cast<int>(x.numel_of(1, x.rank() - 1)),
          .channels = channels,
          .groups = a.groups,
          .channels_per_group = channels / a.groups,
          .width = width,
          .columns = width / vector,
          .slices = channels / width,
          .silu = a.activation == ops::NormActivation::silu,
          .eps = a.eps};
}

/// Where a thread stands. Rows beyond `rows` and columns are idle.
template <int V>
struct Place {
  int column, row, rows, local, channel;  ///< local: first channel inside the slice
  std::size_t sample, image;
  bool inside;

  DEV explicit Place(const Geometry& g) {
    const unsigned slices = static_cast<unsigned>(g.slices);
    rows = kThreads / g.columns;
    column = gpu::thread_rank() % g.columns;
    row = gpu::thread_rank() / g.columns;
    inside = row < rows;
    local = column * V;
    channel = static_cast<int>(blockIdx.x % slices) * g.width + local;
    sample = blockIdx.x / slices;
    image = sample * static_cast<std::size_t>(g.pixels) * static_cast<std::size_t>(g.channels);
  }
  DEV std::uint32_t element(const Geometry& g, int pixel) const {
    return static_cast<std::uint32_t>(pixel) * static_cast<std::uint32_t>(g.channels) +
           static_cast<std::uint32_t>(channel);
  }
  DEV int slot(const Geometry& g, int pixel) const { return pixel * g.width + local; }
};

/// Starts the copy of this thread's part of a slice [pixels, width].
template <int V, class T>
DEV void start_slice(const Geometry& g, const Place<V>& p, const T* from, T* slice) {
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    const T* at = from + p.image + p.element(g, pixel);
    if constexpr (V == 1) {
      slice[p.slot(g, pixel)] = *at;
    } else {
      gpu::cp_async16(slice + p.slot(g, pixel), at);
    }
  }
}

/// Room for the sums of a block over its rows: kAtOnce of a thread's channels at a time, so that
/// more shared memory is left for slices.
template <int V>
struct Sums {
  static constexpr int kAtOnce = V < 4 ? V : 4;
  float partial[kThreads * kAtOnce];
  double folded[kThreads];
};

/// totals[c] = sum over the rows of `value`, for the channels of the slice: rows of equal remainder
/// in order, then the remainders. Starts and ends with a barrier.
template <int V>
DEV void sum_rows(const Geometry& g, const Place<V>& p, const float (&value)[V], Sums<V>& sums,
                  double* totals) {
  constexpr int kAtOnce = Sums<V>::kAtOnce;
  const int rank = gpu::thread_rank(), width = g.columns * kAtOnce, parts = kThreads / width;
#pragma unroll
  for (int from = 0; from < V; from += kAtOnce) {
    __syncthreads();  // the sums before these may still be read
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (p.inside) sums.partial[rank * kAtOnce + i] = value[from + i];
    }
    __syncthreads();
    const int part = rank / width, c = rank % width;
    double sum = 0;
    for (int row = part; part < parts && row < p.rows; row += parts) {
      sum += sums.partial[row * width + c];
    }
    sums.folded[rank] = sum;
    __syncthreads();
    if (rank < width) {
      double total = 0;
      for (int k = 0; k < parts; ++k) total += sums.folded[k * width + rank];
      totals[rank / kAtOnce * V + from + rank % kAtOnce] = total;
    }
  }
  __syncthreads();
}

/// `stats` holds the groups of the slice.
template <int V, class T>
DEV Channels<V> channels_of(const Geometry& g, const Place<V>& p, const T* w, const T* b,
                            const T* shift, const float* stats) {
  Channels<V> k;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const int c = p.channel + i, group = (p.local + i) / g.channels_per_group;
    const std::size_t row = p.sample * static_cast<std::size_t>(g.channels);
    const float offset = shift == nullptr ? 0.0f : gpu::widen(shift[row + c]);
    k.set(i, stats + 2 * group, gpu::widen(w[c]), gpu::widen(b[c]), offset);
  }
  return k;
}

/// Shared memory for the slices, and blocks of a batch.
inline std::size_t slice_bytes(const Geometry& g, std::size_t element) {
  return static_cast<std::size_t>(g.pixels) * static_cast<std::size_t>(g.width) * element;
}
inline unsigned blocks_of(const Geometry& g, std::int64_t samples) {
  return static_cast<unsigned>(samples * g.slices);
}

}  // namespace ito::ITO_GPU_NS::one_pass
