// Kernels of group_norm_silu for images that no block can hold. A sample is cut into slabs of
// pixels, so that one image fills the chip. Forward: moments of each slab, merged per group in a
// fixed order, then one pass that normalises (two reads, one write). Backward: sums of each slab,
// group means, then one pass for gx (four reads, one write). Moments are Welford's and merged by
// the pairwise formula of Chan, Golub & LeVeque (1983).
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

template <class Real>
struct Moments {
  Real count, mean, m2;

  /// Chan et al., eq. 2.1: adds the moments of further values.
  DEV void merge(const Moments& other) {
    if (other.count == 0) return;
    const Real total = count + other.count, delta = other.mean - mean;
    mean += delta * (other.count / total);
    m2 += other.m2 + delta * delta * (count * other.count / total);
    count = total;
  }
};

/// Mean and centred sum of squares per slab and channel: moments [N, slabs, 2, C].
template <class T, int V>
KERNEL(kThreads)
moments_kernel(Geometry g, const T* __restrict__ x, float* __restrict__ moments) {
  __shared__ float means[kThreads * V], squares[kThreads * V], counts[kThreads];
  const Place<V> p(g);
  float mean[V] = {}, m2[V] = {}, count = 0;
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
    count += 1;
    const float share = 1.0f / count;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float delta = value[i] - mean[i];
      mean[i] += delta * share;
      m2[i] += delta * (value[i] - mean[i]);
    }
  }
  const int rank = gpu::thread_rank();
  counts[rank] = count;
  for (int i = 0; i < V; ++i) {
    means[rank * V + i] = mean[i];
    squares[rank * V + i] = m2[i];
  }
  for (int step = p.rows / 2; step > 0; step /= 2) {
    __syncthreads();
    if (p.row >= step) continue;
    const int other = rank + step * g.columns;
    for (int i = 0; i < V; ++i) {
      Moments<float> m{counts[rank], means[rank * V + i], squares[rank * V + i]};
      m.merge({counts[other], means[other * V + i], squares[other * V + i]});
      means[rank * V + i] = m.mean;
      squares[rank * V + i] = m.m2;
    }
    counts[rank] += counts[other];
  }
  if (p.row != 0 || !p.inside) return;
  float* to = moments + (static_cast<std::size_t>(blockIdx.x) * gridDim.y + blockIdx.y) * 2 *
                            static_cast<std::size_t>(g.channels);
  for (int i = 0; i < V; ++i) {
    to[p.channel + i] = means[rank * V + i];
    to[g.channels + p.channel + i] = squares[rank * V + i];
  }
}

/// One block per group and sample: stats [N, G, 2] from the slabs, with the shift added.
template <class T>
KERNEL(kGroupThreads)
stats_kernel(Geometry g, const float* __restrict__ moments, const T* __restrict__ shift,
             float* __restrict__ stats) {
  __shared__ Moments<double> partial[kGroupThreads];
  const int sample = static_cast<int>(blockIdx.x), group = static_cast<int>(blockIdx.y);
  const int rank = gpu::thread_rank(), d = g.channels_per_group;
  Moments<double> sum{0, 0, 0};
  for (int i = rank; i < g.slabs * d; i += kGroupThreads) {
    const int slab = i / d, c = group * d + i % d;
    const float* m = moments + (static_cast<std::size_t>(sample) * g.slabs + slab) * 2 *
                                   static_cast<std::size_t>(g.channels);
    const int left = g.pixels - slab * g.slab;
    const double offset = shift == nullptr ? 0 : gpu::widen(shift[sample * g.channels + c]);
    sum.merge({static_cast<double>(left < g.slab ? left : g.slab), m[c] + offset,
               static_cast<double>(m[g.channels + c])});
  }
  partial[rank] = sum;
  for (int step = kGroupThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (rank < step) partial[rank].merge(partial[rank + step]);
  }
  if (rank != 0) return;
  float* to = stats + (sample * g.groups + group) * 2;
  to[0] = static_cast<float>(partial[0].mean);
  to[1] = static_cast<float>(1 / gpu::sqrt_rn(partial[0].m2 / partial[0].count + g.eps));
}

/// What a thread keeps of its V channels: z = (x - centre) * scale + bias, xhat = (x - centre)
/// rstd.
template <int V>
struct Channels {
  float centre[V], scale[V], bias[V], rstd[V];

  template <class T>
  DEV Channels(const Geometry& g, const Place<V>& p, const T* w, const T* b, const T* shift,
               const float* stats) {
    const int sample = static_cast<int>(blockIdx.x);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const int c = p.inside ? p.channel + i : 0;
      const float* s = stats + (sample * g.groups + c / g.channels_per_group) * 2;
      rstd[i] = s[1];
      centre[i] = s[0] - (shift == nullptr ? 0.0f : gpu::widen(shift[sample * g.channels + c]));
      scale[i] = gpu::widen(w[c]) * rstd[i];
      bias[i] = gpu::widen(b[c]);
    }
  }
};

template <class T, int V>
KERNEL(kThreads)
normalise_kernel(Geometry g, const T* __restrict__ x, const T* __restrict__ w,
                 const T* __restrict__ b, const T* __restrict__ shift,
                 const float* __restrict__ stats, T* __restrict__ y, Mask mask) {
  const Place<V> p(g);
  const Channels<V> k(g, p, w, b, shift, stats);
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float z = gpu::fma_rn(value[i] - k.centre[i], k.scale[i], k.bias[i]);
      value[i] = activated(g.silu, z);
    }
    mask.apply(blockIdx.x, p.element(g, pixel), value);
    gpu::store_floats<V>(y + p.at(g, pixel), value);
  }
}

/// Sums of dz, dz xhat and xhat per slab and channel: sums [N, slabs, 3, C].
template <class T, int V>
KERNEL(kThreads)
sums_kernel(Geometry g, const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ w,
            const T* __restrict__ b, const T* __restrict__ shift, const float* __restrict__ stats,
            float* __restrict__ sums, Mask mask) {
  __shared__ float totals[kThreads * V];
  const Place<V> p(g);
  const Channels<V> k(g, p, w, b, shift, stats);
  float sum[3][V] = {};
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V], seed[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
    gpu::load_floats<V>(gy + p.at(g, pixel), seed);
    mask.apply(blockIdx.x, p.element(g, pixel), seed);
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
  const int rank = gpu::thread_rank();
  float* to = sums + (static_cast<std::size_t>(blockIdx.x) * gridDim.y + blockIdx.y) * 3 *
                         static_cast<std::size_t>(g.channels);
  for (int which = 0; which < 3; ++which) {
    __syncthreads();  // the sum before this one may still be read
    for (int i = 0; i < V; ++i) totals[rank * V + i] = sum[which][i];
    for (int step = p.rows / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int i = 0; p.row < step && i < V; ++i) {
        totals[rank * V + i] += totals[(rank + step * g.columns) * V + i];
      }
    }
    for (int i = 0; p.row == 0 && p.inside && i < V; ++i) {
      to[which * g.channels + p.channel + i] = totals[rank * V + i];
    }
  }
}

/// One block per group and sample: adds up the slabs into totals [N, 2, C] (dz, dz xhat), the group
/// means A of w dz and B of w dz xhat into means [N, G, 2], and the gradient of the shift,
/// rstd (w sum dz - P A - B sum xhat).
template <class T>
KERNEL(kGroupThreads)
group_kernel(Geometry g, const float* __restrict__ sums, const T* __restrict__ w,
             const float* __restrict__ stats, float* __restrict__ totals, float* __restrict__ means,
             T* __restrict__ gshift) {
  __shared__ double scratch[gpu::kWarpSize];
  const int sample = static_cast<int>(blockIdx.x), group = static_cast<int>(blockIdx.y);
  const int d = g.channels_per_group;
  const int end = (group + 1) * d, step = kGroupThreads / gpu::kWarpSize;
  // A warp adds up one channel at a time.
  const auto slab_sum = [&](int which, int c) {
    const float* from =
        sums + static_cast<std::size_t>(sample) * g.slabs * 3 * g.channels + which * g.channels + c;
    float sum = 0;
    for (int slab = gpu::lane_id(); slab < g.slabs; slab += gpu::kWarpSize) {
      sum += from[static_cast<std::size_t>(slab) * 3 * g.channels];
    }
    return gpu::warp_sum(sum);
  };
  const bool first_lane = gpu::lane_id() == 0;
  double a = 0, b = 0;
  float* total = totals + static_cast<std::size_t>(sample) * 2 * g.channels;
  for (int c = group * d + gpu::warp_id(); c < end; c += step) {
    const float dz = slab_sum(0, c), dz_xhat = slab_sum(1, c);
    if (!first_lane) continue;
    total[c] = dz;
    total[g.channels + c] = dz_xhat;
    a += static_cast<double>(gpu::widen(w[c])) * dz;
    b += static_cast<double>(gpu::widen(w[c])) * dz_xhat;
  }
  const double size = static_cast<double>(g.pixels) * d;
  a = gpu::block_sum(a, scratch) / size;
  b = gpu::block_sum(b, scratch) / size;
  const int at = (sample * g.groups + group) * 2;
  if (gpu::thread_rank() == 0) {
    means[at] = static_cast<float>(a);
    means[at + 1] = static_cast<float>(b);
  }
  if (gshift == nullptr) return;
  for (int c = group * d + gpu::warp_id(); c < end; c += step) {
    const float xhat = slab_sum(2, c);
    if (!first_lane) continue;
    const double value = gpu::widen(w[c]) * total[c] - g.pixels * a - b * xhat;
    gshift[sample * g.channels + c] = gpu::narrow<T>(static_cast<float>(stats[at + 1] * value));
  }
}

/// gx = rstd (w dz - A - xhat B).
template <class T, int V>
KERNEL(kThreads)
input_gradient_kernel(Geometry g, const T* __restrict__ gy, const T* __restrict__ x,
                      const T* __restrict__ w, const T* __restrict__ b, const T* __restrict__ shift,
                      const float* __restrict__ stats, const float* __restrict__ means,
                      T* __restrict__ gx, Mask mask) {
  const Place<V> p(g);
  const Channels<V> k(g, p, w, b, shift, stats);
  float mean_a[V], mean_b[V];
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const int group = p.inside ? (p.channel + i) / g.channels_per_group : 0;
    const float* m = means + (static_cast<int>(blockIdx.x) * g.groups + group) * 2;
    mean_a[i] = m[0];
    mean_b[i] = m[1];
  }
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V], seed[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
    gpu::load_floats<V>(gy + p.at(g, pixel), seed);
    mask.apply(blockIdx.x, p.element(g, pixel), seed);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float centred = value[i] - k.centre[i], xhat = centred * k.rstd[i];
      const float z = gpu::fma_rn(centred, k.scale[i], k.bias[i]);
      const float dz = activation_gradient(g.silu, seed[i], z);
      value[i] = k.scale[i] * dz - k.rstd[i] * (mean_a[i] + xhat * mean_b[i]);
    }
    gpu::store_floats<V>(gx + p.at(g, pixel), value);
  }
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

/// t.stats alone.
template <class T, int V>
void run_statistics(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                    const ForwardTensors<T>& t) {
  const Geometry g = geometry_of(shape, attrs, V);
  const std::int64_t n = shape[0];
  const gpu::Stream stream = launch.stream();
  float* moments = launch.scratch<float>(n * g.slabs * 2 * g.channels);
  gpu::check(
      gpu::launch(moments_kernel<T, V>, pixel_grid<V>(g, n), kThreads, 0, stream, g, t.x, moments));
  gpu::check(gpu::launch(stats_kernel<T>, group_grid(g, n), kGroupThreads, 0, stream, g, moments,
                         t.shift, t.stats));
}

template <class T, int V>
void run_forward(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                 const ForwardTensors<T>& t) {
  run_statistics<T, V>(launch, shape, attrs, t);
  const Geometry g = geometry_of(shape, attrs, V);
  gpu::check(gpu::launch(normalise_kernel<T, V>, pixel_grid<V>(g, shape[0]), kThreads, 0,
                         launch.stream(), g, t.x, t.w, t.b, t.shift, t.stats, t.y, t.mask));
}

/// gx and gshift, and the totals for gw and gb.
template <class T, int V>
void run_backward(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                  const BackwardTensors<T>& t) {
  const Geometry g = geometry_of(shape, attrs, V);
  const std::int64_t n = shape[0];
  const gpu::Stream stream = launch.stream();
  float* sums = launch.scratch<float>(n * g.slabs * 3 * g.channels);
  float* means = launch.scratch<float>(n * g.groups * 2);
  gpu::check(gpu::launch(sums_kernel<T, V>, pixel_grid<V>(g, n), kThreads, 0, stream, g, t.gy, t.x,
                         t.w, t.b, t.shift, t.stats, sums, t.mask));
  gpu::check(gpu::launch(group_kernel<T>, group_grid(g, n), kGroupThreads, 0, stream, g, sums, t.w,
                         t.stats, t.totals, means, t.gshift));
  if (t.gx == nullptr) return;
  gpu::check(gpu::launch(input_gradient_kernel<T, V>, pixel_grid<V>(g, n), kThreads, 0, stream, g,
                         t.gy, t.x, t.w, t.b, t.shift, t.stats, means, t.gx, t.mask));
}

}  // namespace ito::ITO_GPU_NS::split
