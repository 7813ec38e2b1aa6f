// Kernels with one planted fault each, and their correct twins. All work on 64 values.
#include "kernels/common/gpu.h"
#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kCount = 64;

DEV int rank() { return gpu::thread_rank(); }

template <Plant plant>
KERNEL(kCount)
shift_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  s[rank()] = x[rank()];
  if (plant == Plant::nothing) __syncthreads();
  y[rank()] = rank() > 0 ? s[rank() - 1] : 0.0f;  // right by luck in ascending order
}

template <Plant plant>
KERNEL(kCount)
warp_shift_kernel(const float* x, float* y) {
  __shared__ float s[kCount];
  s[rank()] = x[rank()];
  if (plant == Plant::nothing) {
    __syncwarp();
  } else {
    static_cast<void>(__shfl_xor_sync(gpu::kFullMask, 0.0f, 1));  // orders no memory
  }
  y[rank()] = s[rank() ^ 1];
}

template <Plant plant>
KERNEL(kCount)
weak_barrier_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  s[rank()] = x[rank()];
  if (plant == Plant::nothing) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  y[rank()] = s[rank() % gpu::kWarpSize];  // of the first warp
}

/// Thread `other` reads s[0], then thread 62, which overwrites it.
template <Plant plant>
KERNEL(kCount)
early_overwrite_kernel(const float* x, float* y, int other) {
  float* s = gpu::dyn_smem<float>();
  s[rank()] = x[rank()];
  __syncthreads();
  if (rank() == other || rank() == 62) y[rank()] = s[0];
  if (plant == Plant::nothing) __syncthreads();
  if (rank() == 62) s[0] = 0.0f;
}

/// Tiles of floats, taken as pairs of 16-bit values: r[0] of lane i is value i of the first tile.
template <Plant plant>
KERNEL(gpu::kWarpSize)
ldmatrix_sync_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  gpu::store16(s + 4 * rank(), gpu::load16(x + 4 * rank() % kCount));
  if (plant == Plant::nothing) __syncwarp();
  std::uint32_t r[4];
  gpu::ldmatrix_x4(r, s + 4 * rank());
  y[rank()] = gpu::bits_to_float(r[0]);
  y[rank() + 32] = gpu::bits_to_float(r[1]);
}

template <Plant plant>
KERNEL(kCount)
partial_mask_kernel(const float* x, float* y) {
  const unsigned mask = plant == Plant::nothing ? gpu::kFullMask : 0xFFFFu;
  y[rank()] = __shfl_xor_sync(mask, x[rank()], 1);
}

/// Sums 4 blocks of 16 values; the block that comes last adds the partial sums.
template <Plant plant>
KERNEL(16)
last_block_kernel(const float* x, float* partial, int* arrived, float* total) {
  __shared__ int before;
  if (rank() == 0) {
    float sum = 0.0f;
    for (int i = 0; i < 16; ++i) sum += x[static_cast<int>(blockIdx.x) * 16 + i];
    partial[blockIdx.x] = sum;
    if (plant == Plant::nothing) __threadfence();
    before = gpu::atomic_add(arrived, 1);
    if (plant == Plant::nothing) __threadfence();
  }
  __syncthreads();
  if (rank() == 1 && before == 3) {
    *total = ((partial[0] + partial[1]) + partial[2]) + partial[3];
  }
}

template <Plant plant>
KERNEL(kCount)
reused_buffer_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  s[rank()] = x[rank()];
  __syncthreads();
  const float first = s[kCount - 1 - rank()];
  if (plant == Plant::nothing) __syncthreads();
  s[rank()] = 2.0f * first;
  __syncthreads();
  y[rank()] = s[kCount - 1 - rank()];
}

template <Plant plant>
KERNEL(kCount)
static_overrun_kernel(const float* x, float* y) {
  __shared__ float s[kCount];
  s[rank() + (plant == Plant::fault ? 1 : 0)] = x[rank()];
  __syncthreads();
  y[rank()] = s[rank()];
}

template <Plant plant>
KERNEL(kCount)
dynamic_overrun_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  s[rank() + (plant == Plant::fault ? 1 : 0)] = x[rank()];
  __syncthreads();
  y[rank()] = s[rank()];
}

template <Plant plant>
KERNEL(kCount + 32)
global_overrun_kernel(const float* x, float* y) {
  const bool inside = plant == Plant::nothing ? rank() < kCount : rank() <= kCount;
  if (inside) y[rank()] = x[rank() % kCount];
}

template <Plant plant>
KERNEL(kCount)
unwritten_static_kernel(const float* x, float* y) {
  __shared__ float s[kCount];
  if (plant == Plant::nothing || rank() < kCount - 1) s[rank()] = x[rank()];
  __syncthreads();
  y[rank()] = s[kCount - 1 - rank()];
}

template <Plant plant>
KERNEL(kCount)
unwritten_dynamic_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  if (plant == Plant::nothing || rank() < kCount - 1) s[rank()] = x[rank()];
  __syncthreads();
  y[rank()] = s[kCount - 1 - rank()];
}

enum class CopyFault { none, no_wait, early_wait, no_barrier };

/// Copies 64 floats in two groups of 32, four per thread of 16, and reads them reversed.
template <CopyFault fault>
KERNEL(16)
copy_kernel(const float* x, float* y) {
  float* s = gpu::dyn_smem<float>();
  if (rank() < 8) gpu::cp_async16(s + 4 * rank(), x + 4 * rank());
  gpu::cp_commit();
  if (rank() >= 8) gpu::cp_async16(s + 4 * rank(), x + 4 * rank());
  gpu::cp_commit();
  if (fault == CopyFault::early_wait) gpu::cp_wait<1>();
  if (fault == CopyFault::none || fault == CopyFault::no_barrier) gpu::cp_wait<0>();
  if (fault != CopyFault::no_barrier) __syncthreads();
  for (int i = rank(); i < kCount; i += 16) y[i] = s[kCount - 1 - i];
  if (fault == CopyFault::early_wait) gpu::cp_wait<0>();
}

template <Plant plant>
KERNEL(kCount)
divergent_barrier_kernel(const float* x, float* y) {
  const int arriving = plant == Plant::nothing ? kCount : 40;
  if (rank() < arriving) __syncthreads();
  y[rank()] = x[rank()];
  __syncwarp();
}

template <Plant plant>
KERNEL(kCount)
early_return_kernel(const float* x, float* y) {
  if (plant == Plant::fault && rank() >= 40) return;
  y[rank()] = x[rank()];
  __syncthreads();
}

template <Plant plant>
KERNEL(kCount)
divergent_shuffle_kernel(const float* x, float* y) {
  float value = x[rank()];
  if (plant == Plant::nothing || gpu::lane_id() < 16) value = gpu::warp_sum(value);
  y[rank()] = value;
}

template <Plant plant>
KERNEL(kCount)
mixed_warp_ops_kernel(const float* x, float* y) {
  if (plant == Plant::fault && gpu::lane_id() == 0) {
    __syncwarp();
    y[rank()] = 0.0f;
  } else {
    y[rank()] = gpu::warp_max(x[rank()]);
  }
}

template <Plant plant>
KERNEL(8)
misaligned_kernel(const float* x, float* y) {
  const gpu::Pack<float> pack = gpu::load16(x + 4 * rank() + (plant == Plant::fault ? 1 : 0));
  gpu::store16(y + 4 * rank(), pack);
}

template <Plant plant>
KERNEL(17)
overlapping_blocks_kernel(const float* x, float* y) {
  const int threads = plant == Plant::nothing ? 16 : 17;
  const int i = static_cast<int>(blockIdx.x) * 16 + rank();
  if (rank() < threads && i < kCount) y[i] = x[i];
}

template <Plant plant>
KERNEL(16)
in_place_stencil_kernel(const float* x, float* y) {
  const int i = static_cast<int>(blockIdx.x) * 16 + rank();
  const float* source = plant == Plant::nothing ? x : y;
  const float sum = source[i] + source[(i + kCount - 1) % kCount];
  __syncthreads();
  y[i] = sum;
}

template <Plant plant>
KERNEL(kCount)
counter_kernel(int* count) {
  __shared__ int local;
  if (rank() == 0) local = 0;
  __syncthreads();
  if (plant == Plant::nothing) {
    gpu::atomic_add(&local, 1);
  } else {
    ++local;
  }
  __syncthreads();
  if (rank() == 0) gpu::atomic_add(count, local);
}

KERNEL(1024) empty_kernel() {}

/// The way back of a kernel from either template instance.
template <class... P>
gpu::Status start(void (*correct)(P...), void (*faulty)(P...), Plant plant, unsigned blocks,
                  unsigned threads, std::size_t smem, P... args) {
  return gpu::launch(plant == Plant::nothing ? correct : faulty, blocks, threads, smem, nullptr,
                     args...);
}

constexpr std::size_t kBytes = kCount * sizeof(float);

}  // namespace

#define ITO_FAULT(name, blocks, threads, smem)                                              \
  gpu::Status name(const float* x, float* y, Plant plant) {                                 \
    return start(name##_kernel<Plant::nothing>, name##_kernel<Plant::fault>, plant, blocks, \
                 threads, smem, x, y);                                                      \
  }
ITO_FAULT(shift, 1, kCount, kBytes)
ITO_FAULT(warp_shift, 1, kCount, 0)
ITO_FAULT(weak_barrier, 1, kCount, kBytes)
ITO_FAULT(ldmatrix_sync, 1, gpu::kWarpSize, 2 * kBytes)
ITO_FAULT(partial_mask, 1, kCount, 0)
ITO_FAULT(reused_buffer, 1, kCount, kBytes)
ITO_FAULT(static_overrun, 1, kCount, 0)
ITO_FAULT(dynamic_overrun, 1, kCount, kBytes)
ITO_FAULT(global_overrun, 1, kCount + 32, 0)
ITO_FAULT(unwritten_static, 1, kCount, 0)
ITO_FAULT(unwritten_dynamic, 1, kCount, kBytes)
ITO_FAULT(divergent_barrier, 1, kCount, 0)
ITO_FAULT(early_return, 1, kCount, 0)
ITO_FAULT(divergent_shuffle, 1, kCount, 0)
ITO_FAULT(mixed_warp_ops, 1, kCount, 0)
ITO_FAULT(misaligned, 1, 8, 0)
ITO_FAULT(overlapping_blocks, 4, 17, 0)
ITO_FAULT(in_place_stencil, 4, 16, 0)
#undef ITO_FAULT

gpu::Status copy_wait(const float* x, float* y, Plant plant) {
  return start(copy_kernel<CopyFault::none>, copy_kernel<CopyFault::no_wait>, plant, 1, 16, kBytes,
               x, y);
}
gpu::Status copy_wait_early(const float* x, float* y, Plant plant) {
  return start(copy_kernel<CopyFault::none>, copy_kernel<CopyFault::early_wait>, plant, 1, 16,
               kBytes, x, y);
}
gpu::Status copy_wait_barrier(const float* x, float* y, Plant plant) {
  return start(copy_kernel<CopyFault::none>, copy_kernel<CopyFault::no_barrier>, plant, 1, 16,
               kBytes, x, y);
}
gpu::Status plain_counter(int* count, Plant plant) {
  return start(counter_kernel<Plant::nothing>, counter_kernel<Plant::fault>, plant, 2, kCount, 0,
               count);
}
gpu::Status last_block_sum(const float* x, float* partial, int* arrived, float* total,
                           Plant plant) {
  return start(last_block_kernel<Plant::nothing>, last_block_kernel<Plant::fault>, plant, 4, 16, 0,
               x, partial, arrived, total);
}
gpu::Status early_overwrite(const float* x, float* y, int other, Plant plant) {
  return start(early_overwrite_kernel<Plant::nothing>, early_overwrite_kernel<Plant::fault>, plant,
               1, kCount, kBytes, x, y, other);
}
gpu::Status shift_without_memory(const float* x, float* y) {
  return gpu::launch(shift_kernel<Plant::nothing>, 1, kCount, 0, nullptr, x, y);
}
gpu::Status empty_launch(unsigned grid, unsigned threads, std::size_t smem) {
  return gpu::launch(empty_kernel, grid, threads, smem, nullptr);
}

}  // namespace ito::ITO_GPU_NS
