#include "kernels/common/gpu.h"
#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 96;

template <class T>
KERNEL(kThreads)
row_sum_kernel(const T* x, T* sums, int n) {
  __shared__ T scratch[gpu::kWarpSize];
  const T* row = x + static_cast<std::size_t>(blockIdx.x) * static_cast<std::size_t>(n);
  T sum = 0, twice = 0;
  for (int i = gpu::thread_rank(); i < n; i += kThreads) sum += row[i];
  twice = gpu::block_sum(sum + sum, scratch);
  sum = gpu::block_sum(sum, scratch);  // at once again: block_sum must guard its scratch
  if (gpu::thread_rank() == kThreads - 1) sums[blockIdx.x] = twice - sum;
}

KERNEL(gpu::kWarpSize) row_max_kernel(const float* x, float* maxima, int n) {
  const float* row = x + static_cast<std::size_t>(blockIdx.x) * static_cast<std::size_t>(n);
  float best = row[0];
  for (int i = gpu::lane_id(); i < n; i += gpu::kWarpSize) best = row[i] > best ? row[i] : best;
  best = gpu::warp_max(best);
  if (gpu::lane_id() == 7) maxima[blockIdx.x] = best;
}

KERNEL(gpu::kWarpSize) shuffle_kernel(const int* x, int* out) {
  const int lane = gpu::lane_id();
  out[lane] = __shfl_sync(gpu::kFullMask, x[lane], lane + 5);
  out[32 + lane] = __shfl_down_sync(gpu::kFullMask, x[lane], 3);
  out[64 + lane] = __shfl_xor_sync(gpu::kFullMask, x[lane], 9);
}

KERNEL(kThreads) histogram_kernel(const int* x, int* counts, int n, int bins) {
  int* local = gpu::dyn_smem<int>();
  for (int i = gpu::thread_rank(); i < bins; i += kThreads) local[i] = 0;
  __syncthreads();
  const int i = static_cast<int>(blockIdx.x) * kThreads + gpu::thread_rank();
  if (i < n) gpu::atomic_add(&local[x[i]], 1);
  __syncthreads();
  for (int b = gpu::thread_rank(); b < bins; b += kThreads) gpu::atomic_add(&counts[b], local[b]);
}

template <class T>
gpu::Status sums_of(const T* x, T* sums, int rows, int n) {
  return gpu::launch(row_sum_kernel<T>, static_cast<unsigned>(rows), kThreads, 0, nullptr, x, sums,
                     n);
}

}  // namespace

gpu::Status row_sums(const float* x, float* sums, int rows, int n) {
  return sums_of(x, sums, rows, n);
}
gpu::Status row_sums(const double* x, double* sums, int rows, int n) {
  return sums_of(x, sums, rows, n);
}
gpu::Status row_maxima(const float* x, float* maxima, int rows, int n) {
  return gpu::launch(row_max_kernel, static_cast<unsigned>(rows), gpu::kWarpSize, 0, nullptr, x,
                     maxima, n);
}
gpu::Status shuffles(const int* x, int* out) {
  return gpu::launch(shuffle_kernel, 1, gpu::kWarpSize, 0, nullptr, x, out);
}
gpu::Status histogram(const int* x, int* counts, int n, int bins) {
  return gpu::launch(histogram_kernel, static_cast<unsigned>((n + kThreads - 1) / kThreads),
                     kThreads, static_cast<std::size_t>(bins) * sizeof(int), nullptr, x, counts, n,
                     bins);
}

}  // namespace ito::ITO_GPU_NS
