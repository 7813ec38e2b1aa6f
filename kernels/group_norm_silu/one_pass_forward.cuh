// Forward pass of group_norm_silu on slices in shared memory. Statistics are the corrected two-pass
// ones of Chan, Golub & LeVeque (1983): mean of each channel, then sums about it, joined per group
// in double.
#pragma once

#include "kernels/group_norm_silu/one_pass.cuh"

namespace ito::ITO_GPU_NS::one_pass {

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
  const Channels<V> k = channels_of(g, p, w, b, shift, group);
  for (int pixel = p.row; p.inside && pixel < g.pixels; pixel += p.rows) {
    float value[V];
    gpu::load_floats<V>(slice + p.slot(g, pixel), value);
    k.activate(g.silu, value);
    mask.apply(p.sample, p.element(g, pixel), value);
    gpu::store_floats<V>(y + p.image + p.element(g, pixel), value);
  }
}

template <class T, int V>
void run_forward(Launch& launch, const Shape& shape, const Geometry& g,
                 const ForwardTensors<T>& t) {
  gpu::check(gpu::launch(forward_kernel<T, V>, blocks_of(g, shape[0]), kThreads,
                         slice_bytes(g, sizeof(T)), launch.stream(), g, t.x, t.w, t.b, t.shift, t.y,
                         t.stats, t.mask));
}

}  // namespace ito::ITO_GPU_NS::one_pass
