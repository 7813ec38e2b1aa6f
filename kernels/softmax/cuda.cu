// GPU kernel of softmax: maximum and sum in one pass over the row (Milakov & Gimelshein, "Online
// normalizer calculation for softmax", 2018), then a second pass, which finds the row in the cache,
// for the results. A row without finite values gives zeros, one with a NaN is all NaN.
#include <cmath>

#include "kernels/common/row_groups.cuh"

namespace ito::ITO_GPU_NS {
namespace {

constexpr unsigned kInfinityBits = 0x7F800000u;

DEV float larger(float a, float b) { return b > a ? b : a; }

/// What is subtracted before the exponential: the maximum, unless it is minus infinity.
DEV float shift_of(float top) { return top == -gpu::bits_to_float(kInfinityBits) ? 0.0f : top; }

template <class T, int V>
KERNEL(gpu::kRowThreads)
softmax_kernel(int64_t rows, int64_t n, int threads, const T* __restrict__ x, T* __restrict__ y) {
  __shared__ float scratch[gpu::kRowWarps];
  const gpu::RowPlace p(threads);
  const int64_t end = p.row < rows ? n : 0, first = static_cast<int64_t>(p.place) * V;
  const T* from = x + p.row * n;
  T* to = y + p.row * n;
  float top = -gpu::bits_to_float(kInfinityBits), sum = 0, value[V];
  for (int64_t i = first; i < end; i += threads * V) {
    gpu::load_floats<V>(from + i, value);
    float higher = top;
#pragma unroll
    for (int v = 0; v < V; ++v) higher = larger(higher, value[v]);
    if (higher > top) {
      sum *= expf(top - higher);
      top = higher;
    }
    const float shift = shift_of(top);
#pragma unroll
    for (int v = 0; v < V; ++v) sum += expf(value[v] - shift);
  }
  const float highest =
      gpu::join_group(top, threads, scratch, [](float a, float b) { return larger(a, b); });
  if (top != highest) sum *= expf(top - highest);
  sum = gpu::join_group(sum, threads, scratch, [](float a, float b) { return a + b; });
  const float scale = sum == 0 ? 0.0f : 1.0f / sum, shift = shift_of(highest);
  for (int64_t i = first; i < end; i += threads * V) {
    gpu::load_floats<V>(from + i, value);
#pragma unroll
    for (int v = 0; v < V; ++v) value[v] = expf(value[v] - shift) * scale;
    gpu::store_floats<V>(to + i, value);
  }
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (y[0].numel() == 0) return;
  const int64_t n = y[0].size(-1), rows = y[0].numel() / n;
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    const bool wide = n % kWide == 0 && gpu::aligned16(x[0].raw(), y[0].raw());
    const int threads = gpu::threads_of_row(n, wide ? kWide : 1);
    gpu::check(gpu::launch(wide ? softmax_kernel<T, kWide> : softmax_kernel<T, 1>,
                           gpu::row_blocks(rows, threads), gpu::kRowThreads, 0, launch.stream(),
                           rows, n, threads, gpu::elements_of<T>(x[0]), gpu::elements_of<T>(y[0])));
  });
}

}  // namespace

GpuKernels softmax_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
