// What kernels share on top of the device primitives: fixed-order reductions and 16-byte access.
// Included by gpu.h only.
#pragma once

#include "kernels/common/gpu.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kFullMask = 0xFFFFFFFFu;

/// Index of the thread in its block, x fastest.
DEV int thread_rank() {
  return static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}
/// Number of threads of the block.
DEV int thread_count() { return static_cast<int>(blockDim.x * blockDim.y * blockDim.z); }
DEV int lane_id() { return thread_rank() % kWarpSize; }
DEV int warp_id() { return thread_rank() / kWarpSize; }

/// Sum over the warp, the same bits in every lane: a butterfly adds the same pairs everywhere.
template <class T>
DEV T warp_sum(T value) {
#pragma unroll
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kFullMask, value, step);
  }
  return value;
}

/// Maximum over the warp, in every lane.
template <class T>
DEV T warp_max(T value) {
#pragma unroll
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kFullMask, value, step);
    value = other > value ? other : value;
  }
  return value;
}

/// Sum over the block in every thread: butterfly inside warps, then warps in ascending order.
/// `scratch`: 32 values of shared memory, reusable by the next call. The block holds a multiple of
/// 32 threads.
template <class T>
DEV T block_sum(T value, T* scratch) {
  value = warp_sum(value);
  __syncthreads();  // an earlier call may still be reading scratch
  if (lane_id() == 0) scratch[warp_id()] = value;
  __syncthreads();
  const int warps = thread_count() / kWarpSize;
  T sum = scratch[0];
  for (int warp = 1; warp < warps; ++warp) sum += scratch[warp];
  return sum;
}

/// 16 bytes of T, moved as one access.
template <class T>
struct alignas(16) Pack {
  static constexpr int kSize = static_cast<int>(16 / sizeof(T));
  T v[kSize];
};

/// Reads or writes Pack<T>::kSize values at once; `address` is 16-byte aligned.
template <class T>
DEV Pack<T> load16(const T* address) {
  check_aligned16(address);
  return *reinterpret_cast<const Pack<T>*>(address);
}
template <class T>
DEV void store16(T* address, const Pack<T>& values) {
  check_aligned16(address);
  *reinterpret_cast<Pack<T>*>(address) = values;
}

/// The value of a bfloat16 given by its bits.
DEV float bf16_value(std::uint16_t bits) {
  return bits_to_float(static_cast<unsigned>(bits) << 16);
}

/// The bits of the bfloat16 nearest to `value`, ties to even; every NaN becomes 0x7FFF, as on the
/// device.
DEV std::uint16_t bf16_bits(float value) {
  return static_cast<std::uint16_t>(bf16x2_bits(value, 0.0f) & 0xFFFFu);
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
