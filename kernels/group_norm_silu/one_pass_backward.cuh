// Backward pass of group_norm_silu on slices of x and gy side by side in shared memory.
#pragma once

#include "kernels/group_norm_silu/one_pass.cuh"

namespace ito::ITO_GPU_NS::one_pass {

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
    k.add_sums(g.silu, value, seed, sum);
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
  const Channels<V> k = channels_of(g, p, t.w, t.b, t.shift, stats);
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
    k.input_gradient(g.silu, value, seed, mean_a, mean_b);
    gpu::store_floats<V>(t.gx + p.image + p.element(g, pixel), value);
  }
}

template <class T, int V>
void run_backward(Launch& launch, const Shape& shape, const Geometry& g,
                  const BackwardTensors<T>& t) {
  gpu::check(gpu::launch(backward_kernel<T, V>, blocks_of(g, shape[0]), kThreads,
                         2 * slice_bytes(g, sizeof(T)), launch.stream(), g, t));
}

}  // namespace ito::ITO_GPU_NS::one_pass
