// Reductions of rows that lie densely in memory: a group of 1 to 32 neighbouring threads, or a
// whole block, takes one row. The group depends on the row's length alone, so the order of a sum
// does, too.
#pragma once

#include "kernels/common/gpu_kernels.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

inline constexpr int kRowThreads = 256;  // of a block
inline constexpr int kRowWarps = kRowThreads / kWarpSize;

/// Threads that share a row of n values, V per access: a power of two up to 32, or the block.
inline int threads_of_row(int64_t n, int vector) {
  constexpr int64_t kLong = 1024;
  if (n > kLong) return kRowThreads;
  int threads = 1;
  while (threads < kWarpSize && threads * vector < n) threads *= 2;
  return threads;
}

/// Where a thread of a block of kRowThreads stands.
struct RowPlace {
  int64_t row;
  int place;  ///< inside the group

  DEV explicit RowPlace(int threads)
      : row(static_cast<int64_t>(blockIdx.x) * (kRowThreads / threads) + thread_rank() / threads),
        place(thread_rank() % threads) {}
};
inline unsigned row_blocks(int64_t rows, int threads) {
  return blocks_for(rows, kRowThreads / threads);
}

/// Joins the values of the group, the same bits in all its threads: a butterfly inside warps, then
/// warps in ascending order. Every thread of the block calls it. `scratch`: kRowWarps floats in
/// shared memory. join is commutative.
template <class Join>
DEV float join_group(float value, int threads, float* scratch, Join join) {
  for (int step = (threads < kWarpSize ? threads : kWarpSize) / 2; step > 0; step /= 2) {
    value = join(value, __shfl_xor_sync(kFullMask, value, step));
  }
  if (threads <= kWarpSize) return value;
  __syncthreads();  // an earlier call may still be reading scratch
  if (lane_id() == 0) scratch[warp_id()] = value;
  __syncthreads();
  value = scratch[0];
  for (int warp = 1; warp < kRowWarps; ++warp) value = join(value, scratch[warp]);
  return value;
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
