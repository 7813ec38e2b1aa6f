// Backward pass of group_norm_silu on slabs: sums of each slab, group means, then one pass for gx.
#pragma once

#include "kernels/group_norm_silu/split.cuh"

namespace ito::ITO_GPU_NS::split {

/// Sums of dz, dz xhat and xhat per slab and channel: sums [N, slabs, 3, C].
template <class T, int V>
KERNEL(kThreads)
sums_kernel(Geometry g, const T* __restrict__ gy, const T* __restrict__ x, const T* __restrict__ w,
            const T* __restrict__ b, const T* __restrict__ shift, const float* __restrict__ stats,
            float* __restrict__ sums, Mask mask) {
  __shared__ float totals[kThreads * V];
  const Place<V> p(g);
  const Channels<V> k = channels_of(g, p, w, b, shift, stats);
  float sum[3][V] = {};
  for (int pixel = p.first + p.row; p.inside && pixel < p.end; pixel += p.rows) {
    float value[V], seed[V];
    gpu::load_floats<V>(x + p.at(g, pixel), value);
    gpu::load_floats<V>(gy + p.at(g, pixel), seed);
    mask.apply(blockIdx.x, p.element(g, pixel), seed);
    k.add_sums(g.silu, value, seed, sum);
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
  const Channels<V> k = channels_of(g, p, w, b, shift, stats);
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
    k.input_gradient(g.silu, value, seed, mean_a, mean_b);
    gpu::store_floats<V>(gx + p.at(g, pixel), value);
  }
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
