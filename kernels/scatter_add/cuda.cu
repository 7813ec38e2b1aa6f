// GPU kernel of scatter_add. A block owns one row of y (and up to kThreads * V of its values): it
// reads the whole index, 2048 entries at a time, lists those that name its row in ascending order,
// and adds their updates in that order. No atomics, no sorting and no scratch: the sums have the
// CPU's order. The index is read once per row of y, from the cache: rows x count reads, which is
// little for the tables of a network (up to some 10^4 rows and updates).
//
// An index out of range makes all of y NaN: the host cannot look without waiting.
#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / gpu::kWarpSize;
constexpr int kPerThread = 8;  // neighbouring entries of the index
constexpr int kRound = kThreads * kPerThread;
constexpr unsigned kNanBits = 0x7FC00000u;

/// Sum over the threads before this one; `total` over all of them. `warp_totals` is shared.
DEV int sum_before(int value, int* warp_totals, int& total) {
  int inclusive = value;
  const int lane = gpu::lane_id();
#pragma unroll
  for (int step = 1; step < gpu::kWarpSize; step *= 2) {
    const int other = __shfl_sync(gpu::kFullMask, inclusive, lane >= step ? lane - step : lane);
    if (lane >= step) inclusive += other;
  }
  __syncthreads();  // the last round may still be reading
  if (lane == gpu::kWarpSize - 1) warp_totals[gpu::warp_id()] = inclusive;
  __syncthreads();
  int before = 0;
  total = 0;
  for (int warp = 0; warp < kWarps; ++warp) {
    if (warp == gpu::warp_id()) before = total;
    total += warp_totals[warp];
  }
  return before + inclusive - value;
}

template <class T, int V>
KERNEL(kThreads)
scatter_kernel(int64_t count, int64_t rows, int64_t row, const int64_t* __restrict__ index,
               const T* __restrict__ updates, T* __restrict__ y) {
  __shared__ int warp_totals[kWarps], chosen[kRound];
  const int64_t mine = blockIdx.x;
  const int64_t at = (static_cast<int64_t>(blockIdx.y) * kThreads + gpu::thread_rank()) * V;
  float sum[V] = {};
  int bad = 0;
  for (int64_t start = 0; start < count; start += kRound) {
    const int64_t first = start + gpu::thread_rank() * kPerThread;
    unsigned matches = 0;
    int found = 0;
    for (int i = 0; i < kPerThread; ++i) {
      const int64_t v = first + i < count ? index[first + i] : mine - 1;
      if (first + i < count && (v < 0 || v >= rows)) bad = 1;
      if (v != mine) continue;
      matches |= 1u << i;
      ++found;
    }
    int total;
    int place = sum_before(found, warp_totals, total);
    for (int i = 0; i < kPerThread; ++i) {
      if ((matches >> i & 1u) != 0) chosen[place++] = gpu::thread_rank() * kPerThread + i;
    }
    __syncthreads();
    for (int j = 0; at < row && j < total; ++j) {
      float update[V];
      gpu::load_floats<V>(updates + (start + chosen[j]) * row + at, update);
#pragma unroll
      for (int i = 0; i < V; ++i) sum[i] += update[i];
    }
  }
  int any_bad;
  sum_before(bad, warp_totals, any_bad);
  if (at >= row) return;
  if (any_bad > 0) {
    for (int i = 0; i < V; ++i) sum[i] = gpu::bits_to_float(kNanBits);
  }
  gpu::store_floats<V>(y + mine * row + at, sum);
}

template <class T, int V>
void scatter(Launch& launch, const Tensors& x, const Tensor& y) {
  const int64_t rows = y.size(0), row = y.numel() / rows, most = int64_t{kThreads} * V * 65535;
  ITO_CHECK(row <= most, ShapeError, "a row is too long for a kernel", kv("elements", row));
  gpu::check(gpu::launch(scatter_kernel<T, V>,
                         dim3(static_cast<unsigned>(rows), gpu::blocks_for(row, kThreads * V)),
                         kThreads, 0, launch.stream(), x[1].numel(), rows, row,
                         x[1].data<int64_t>(), gpu::elements_of<T>(x[0]), gpu::elements_of<T>(y)));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (y[0].numel() == 0) return;
  const int64_t row = y[0].numel() / y[0].size(0);
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    if (row % kWide == 0 && gpu::aligned16(x[0].raw(), y[0].raw())) {
      scatter<T, kWide>(launch, x, y[0]);
    } else {
      scatter<T, 1>(launch, x, y[0]);
    }
  });
}

}  // namespace

GpuKernels scatter_add_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
