// Forward pass of group_norm_silu on slabs: moments of each slab, merged per group in a fixed
// order, then one pass that normalises. Moments are Welford's, merged by the pairwise formula of
// Chan, Golub & LeVeque (1983).
#pragma once

#include "kernels/group_norm_silu/split.cuh"

namespace ito::ITO_GPU_NS::split {

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

template <class T, int V>
KERNEL(kThreads)
normalise_kernel(Geometry g, const T* __restrict__ x, const T* __restrict__ w,
                 const T* __restrict__ b, const T* __restrict__ shift,
                 const float* __restrict__ stats, T* __restrict__ y, Mask mask) {
  const Place<V> p(g);
  const Channels<V> k = channels_of(g, p, w, b, shift, stats);
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
    k.activate(g.silu, value);
    mask.apply(blockIdx.x, p.element(g, pixel), value);
    gpu::store_floats<V>(y + p.at(g, pixel), value);
  }
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

}  // namespace ito::ITO_GPU_NS::split
