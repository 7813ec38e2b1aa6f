// Kernels of group_norm_silu for images of which a block holds a slice of whole groups in shared
// memory: every tensor is read once and written once.
//
// A slice is 8 to 64 neighbouring channels of all pixels of one image. Its threads stand in rows
// (pixels) and columns (V neighbouring channels each); a thread reads back only what it loaded.
// Statistics are the corrected two-pass ones of Chan, Golub & LeVeque (1983): mean of each channel,
// then sums about it, joined per group in double. All sums have an order that depends on the shape
// of the sample alone.
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

/// Mean and 1 / sqrt(var + eps) of a group of x + shift from its channels: means, and sums and
/// squares about these means.
struct ChannelMoments {
  float mean[kWidest];
  double sum[kWidest], squares[kWidest];
};

template <class T>
DEV void group_stats(const Geometry& g, const ChannelMoments& m, int first, const T* shift,
                     float (&stats)[2]) {
  const int d = g.channels_per_group;
  const double pixels = g.pixels;
  const auto mean_of = [&](int c) {
    const double offset = shift == nullptr ? 0 : gpu::widen(shift[c]);
    return m.mean[c] + m.sum[c] / pixels + offset;
  };
  double mean = 0, m2 = 0;
  for (int c = first; c < first + d; ++c) mean += mean_of(c);
  mean /= d;
  for (int c = first; c < first + d; ++c) {
    const double delta = mean_of(c) - mean;
    m2 += m.squares[c] - m.sum[c] * m.sum[c] / pixels + pixels * delta * delta;
  }
  const double variance = m2 > 0 ? m2 / (pixels * d) : m2 * 0;  // keeps NaN
  stats[0] = static_cast<float>(mean);
  stats[1] = static_cast<float>(1 / gpu::sqrt_rn(variance + g.eps));
}

/// The moments of the slice, in shared memory.
template <int V, class T>
DEV void measure(const Geometry& g, const Place<V>& p, const T* slice, Sums<V>& sums,
                 ChannelMoments& m) {
  float sum[V] = {}, squares[V] = {}, centre[V] = {};
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
#pragma unroll
    for (int i = 0; i < V; ++i) sum[i] += value[i];
  }
  sum_rows(g, p, sum, sums, m.sum);
  for (int i = 0; i < V; ++i) {
    centre[i] = static_cast<float>(m.sum[p.local + i] / g.pixels);
    sum[i] = 0;
    if (p.row == 0) m.mean[p.local + i] = centre[i];
  }
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float delta = value[i] - centre[i];
      sum[i] += delta;
      squares[i] = gpu::fma_rn(delta, delta, squares[i]);
    }
  }
  sum_rows(g, p, sum, sums, m.sum);
  sum_rows(g, p, squares, sums, m.squares);
}

/// Channels of a thread: z = (x - centre) * scale + bias, xhat = (x - centre) rstd. `stats` holds
/// the groups of the slice.
template <int V>
struct Channels {
  float centre[V], scale[V], bias[V], rstd[V];

  template <class T>
  DEV Channels(const Geometry& g, const Place<V>& p, const T* w, const T* b, const T* shift,
               const float* stats) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const int c = p.channel + i, group = (p.local + i) / g.channels_per_group;
      const float offset =
          shift == nullptr ? 0.0f
                           : gpu::widen(shift[p.sample * static_cast<std::size_t>(g.channels) + c]);
      rstd[i] = stats[2 * group + 1];
      centre[i] = stats[2 * group] - offset;
      scale[i] = gpu::widen(w[c]) * rstd[i];
      bias[i] = gpu::widen(b[c]);
    }
  }
};

template <class T, int V>
KERNEL(kThreads)
forward_kernel(Geometry g, const T* __restrict__ x, const T* __restrict__ w,
               const T* __restrict__ b, const T* __restrict__ shift, T* __restrict__ y,
               float* __restrict__ stats, Mask mask) {
  __shared__ Sums<V> sums;
  __shared__ ChannelMoments moments;
  __shared__ float group[kWidest * 2];
  T* slice = gpu::dyn_smem<T>();
  const Place<V> p(g);
  start_slice(g, p, x, slice);
  gpu::cp_commit();
  gpu::cp_wait<0>();
  measure(g, p, slice, sums, moments);
  const int rank = gpu::thread_rank(), d = g.channels_per_group;
  const int first = p.channel - p.local;  // of the slice
  const std::size_t row = p.sample * static_cast<std::size_t>(g.channels) + first;
  if (rank < g.width / d) {
    float own[2];
    group_stats(g, moments, rank * d, shift == nullptr ? shift : shift + row, own);
    float* to = stats + 2 * (p.sample * static_cast<std::size_t>(g.groups) + first / d + rank);
    for (int i = 0; i < 2; ++i) to[i] = group[2 * rank + i] = own[i];
  }
  __syncthreads();
  const Channels<V> k(g, p, w, b, shift, group);
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      value[i] = activated(g.silu, gpu::fma_rn(value[i] - k.centre[i], k.scale[i], k.bias[i]));
    }
    mask.apply(p.sample, p.element(g, pixel), value);
    gpu::store_floats<V>(y + p.image + p.element(g, pixel), value);
  }
}

/// Per channel of the slice: sums over pixels of dz, dz xhat and xhat.
struct ChannelSums {
  double dz[kWidest], dz_xhat[kWidest], xhat[kWidest];
};

template <int V, class T>
DEV void sum_gradients(const Geometry& g, const Place<V>& p, const Channels<V>& k, const T* slice,
                       const T* seeds, const Mask& mask, Sums<V>& sums, ChannelSums& totals) {
  float sum[3][V] = {};
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V], seed[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
    gpu::load_floats<V>(seeds + p.slot(g, pixel), seed);
    mask.apply(p.sample, p.element(g, pixel), seed);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float centred = value[i] - k.centre[i], xhat = centred * k.rstd[i];
      const float z = gpu::fma_rn(centred, k.scale[i], k.bias[i]);
      const float dz = activation_gradient(g.silu, seed[i], z);
      sum[0][i] += dz;
      sum[1][i] = gpu::fma_rn(dz, xhat, sum[1][i]);
      sum[2][i] += xhat;
    }
  }
  sum_rows(g, p, sum[0], sums, totals.dz);
  sum_rows(g, p, sum[1], sums, totals.dz_xhat);
  sum_rows(g, p, sum[2], sums, totals.xhat);
}

/// Group means A of w dz and B of w dz xhat into means [groups, 2]; the totals of the parameters'
/// gradients; and the gradient of the shift, rstd (w sum dz - P A - B sum xhat).
template <int V, class T>
DEV void finish_sums(const Geometry& g, const Place<V>& p, const T* w, const float* stats,
                     const ChannelSums& sums, float* means, float* totals, T* gshift) {
  const int rank = gpu::thread_rank(), d = g.channels_per_group;
  const int first = p.channel - p.local;
  if (rank < g.width / d) {
    double a = 0, b = 0;
    for (int c = rank * d; c < (rank + 1) * d; ++c) {
      a += static_cast<double>(gpu::widen(w[first + c])) * sums.dz[c];
      b += static_cast<double>(gpu::widen(w[first + c])) * sums.dz_xhat[c];
    }
    const double size = static_cast<double>(g.pixels) * d;
    means[2 * rank] = static_cast<float>(a / size);
    means[2 * rank + 1] = static_cast<float>(b / size);
  }
  __syncthreads();
  if (rank >= g.width) return;
  const std::size_t row = p.sample * 2 * static_cast<std::size_t>(g.channels) + first + rank;
  totals[row] = static_cast<float>(sums.dz[rank]);
  totals[row + g.channels] = static_cast<float>(sums.dz_xhat[rank]);
  if (gshift == nullptr) return;
  const int group = rank / d;
  const double value = gpu::widen(w[first + rank]) * sums.dz[rank] -
                       static_cast<double>(g.pixels) * means[2 * group] -
                       means[2 * group + 1] * sums.xhat[rank];
  gshift[p.sample * static_cast<std::size_t>(g.channels) + first + rank] =
      gpu::narrow<T>(static_cast<float>(stats[2 * group + 1] * value));
}

/// Slices of x and gy side by side; gx = rstd (w dz - A - xhat B).
template <class T, int V>
KERNEL(kThreads)
backward_kernel(Geometry g, BackwardTensors<T> t) {
  __shared__ Sums<V> sums;
  __shared__ ChannelSums channel_sums;
  __shared__ float means[kWidest * 2];
  T* slice = gpu::dyn_smem<T>();
  T* seeds = slice + g.pixels * g.width;
  const Place<V> p(g);
  start_slice(g, p, t.x, slice);
  start_slice(g, p, t.gy, seeds);
  gpu::cp_commit();
  const int first_group = (p.channel - p.local) / g.channels_per_group;
  const float* stats = t.stats + 2 * (p.sample * static_cast<std::size_t>(g.groups) + first_group);
  const Channels<V> k(g, p, t.w, t.b, t.shift, stats);
  gpu::cp_wait<0>();
  sum_gradients(g, p, k, slice, seeds, t.mask, sums, channel_sums);
  finish_sums(g, p, t.w, stats, channel_sums, means, t.totals, t.gshift);
  if (t.gx == nullptr) return;
  float mean_a[V], mean_b[V];
#pragma unroll
  for (int i = 0; i < V; ++i) {
    mean_a[i] = means[2 * ((p.local + i) / g.channels_per_group)];
    mean_b[i] = means[2 * ((p.local + i) / g.channels_per_group) + 1];
  }
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V], seed[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
    gpu::load_floats<V>(seeds + p.slot(g, pixel), seed);
    t.mask.apply(p.sample, p.element(g, pixel), seed);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float centred = value[i] - k.centre[i], xhat = centred * k.rstd[i];
      const float z = gpu::fma_rn(centred, k.scale[i], k.bias[i]);
      const float dz = activation_gradient(g.silu, seed[i], z);
      value[i] = k.scale[i] * dz - k.rstd[i] * (mean_a[i] + xhat * mean_b[i]);
    }
    gpu::store_floats<V>(t.gx + p.image + p.element(g, pixel), value);
  }
}

/// Shared memory for the slices, and blocks of a batch.
inline std::size_t slice_bytes(const Geometry& g, std::size_t element) {
  return static_cast<std::size_t>(g.pixels) * static_cast<std::size_t>(g.width) * element;
}
inline unsigned blocks_of(const Geometry& g, std::int64_t samples) {
  return static_cast<unsigned>(samples * g.slices);
}

template <class T, int V>
void run_forward(Launch& launch, const Shape& shape, const Geometry& g,
                 const ForwardTensors<T>& t) {
  gpu::check(gpu::launch(forward_kernel<T, V>, blocks_of(g, shape[0]), kThreads,
                         slice_bytes(g, sizeof(T)), launch.stream(), g, t.x, t.w, t.b, t.shift, t.y,
                         t.stats, t.mask));
}
template <class T, int V>
void run_backward(Launch& launch, const Shape& shape, const Geometry& g,
                  const BackwardTensors<T>& t) {
  gpu::check(gpu::launch(backward_kernel<T, V>, blocks_of(g, shape[0]), kThreads,
                         2 * slice_bytes(g, sizeof(T)), launch.stream(), g, t));
}

}  // namespace ito::ITO_GPU_NS::one_pass
