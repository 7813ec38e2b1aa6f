// Emulator side of gpu.h; the meaning of each function stands in gpu_cuda.h. Included by gpu.h
// only.
#pragma once

#include <cmath>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/cuda/emulated.h"
#include "kernels/common/emulator/machine.h"
#include "kernels/common/gpu_types.h"

using ito::gpu::emu::dim3;
using ito::gpu::emu::uint3;

#define KERNEL(threads) static void
#define DEV inline
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
// The race check tells shared memory by its address, and thread-local variables have a range of
// their own. AddressSanitizer guards only plain statics.
#ifdef ITO_EMULATE_RACE
#define __shared__ static thread_local
#else
#define __shared__ static
#endif

#define threadIdx (::ito::gpu::emu::current_thread->index)
#define blockIdx (::ito::gpu::emu::grid_position.block_index)
#define blockDim (::ito::gpu::emu::grid_position.block)
#define gridDim (::ito::gpu::emu::grid_position.grid)

inline void __syncthreads() { ito::gpu::emu::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { ito::gpu::emu::warp_barrier(mask); }
inline void __threadfence() { ito::gpu::emu::global_fence(); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  T result;
  ito::gpu::emu::shuffle(mask, &value, &result, sizeof(T), source & 31);
  return result;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return __shfl_sync(mask, value, static_cast<int>(ito::gpu::emu::current_thread->lane) ^ bits);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta) {
  const unsigned lane = ito::gpu::emu::current_thread->lane;
  return __shfl_sync(mask, value, static_cast<int>(lane + delta < 32 ? lane + delta : lane));
}

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Tells the engine, before main, that there is an emulated device.
inline const bool kAnnounced = ::ito::cuda::emulated::has_kernels = true;

template <class T>
DEV T* dyn_smem() {
  return static_cast<T*>(emu::dynamic_shared_memory());
}

/// Runs the whole grid before it returns, or records it while a graph is captured. Besides what
/// CUDA reports at a launch, the Status tells faults of the kernel: a barrier that some threads
/// missed, misaligned access, a copy never waited for.
template <class... P, class... A>
Status launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t smem, Stream, A&&... args) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<P...> args;
  };
  return ::ito::cuda::emulated::submit(
      [call = Call{kernel, {static_cast<P>(std::forward<A>(args))...}}, grid, block,
       smem]() mutable {
        const auto run = [](void* context) {
          const Call& c = *static_cast<const Call*>(context);
          std::apply(c.kernel, c.args);
        };
        return emu::run_grid(
            {grid, block, smem, run, &call, reinterpret_cast<const void*>(call.kernel)});
      });
}

DEV void mma_bf16_16816(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emu::mma(emu::WarpOp::mma_bf16, d, a, b);
}
DEV void mma_tf32_1688(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emu::mma(emu::WarpOp::mma_tf32, d, a, b);
}
DEV std::uint32_t tf32_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits + 0x1000u) & ~0x1FFFu;
}

DEV void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  emu::ldmatrix(emu::WarpOp::ldmatrix, r, row);
}
DEV void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
  emu::ldmatrix(emu::WarpOp::ldmatrix_trans, r, row);
}

DEV void cp_async16(void* smem, const void* global, int bytes = 16) {
  emu::copy_async(smem, global, bytes);
}
DEV void cp_commit() { emu::copy_commit(); }
template <int pending>
DEV void cp_wait() {
  emu::copy_wait(pending);
}

DEV float bits_to_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

DEV std::uint32_t bf16x2_bits(float low, float high) {
  const auto rounded = [](float value) -> std::uint32_t {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (value != value) return 0x7FFFu;
    return (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  };
  return rounded(low) | rounded(high) << 16;
}

DEV int atomic_add(int* address, int value) {
  return static_cast<int>(
      emu::atomic_add(reinterpret_cast<unsigned*>(address), static_cast<unsigned>(value)));
}
DEV unsigned atomic_add(unsigned* address, unsigned value) {
  return emu::atomic_add(address, value);
}

// These files are compiled with -ffp-contract=off (ItoTargets.cmake).
DEV float add_rn(float a, float b) { return a + b; }
DEV float mul_rn(float a, float b) { return a * b; }
DEV float fma_rn(float a, float b, float c) { return std::fma(a, b, c); }
DEV float div_rn(float a, float b) { return a / b; }
DEV float sqrt_rn(float a) { return std::sqrt(a); }
DEV double add_rn(double a, double b) { return a + b; }
DEV double mul_rn(double a, double b) { return a * b; }
DEV double fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
DEV double div_rn(double a, double b) { return a / b; }
DEV double sqrt_rn(double a) { return std::sqrt(a); }

DEV float exp_approx(float x) { return std::exp(x); }
DEV float rsqrt_approx(float x) { return 1.0f / std::sqrt(x); }
DEV float div_approx(float a, float b) { return a / b; }

DEV void check_aligned16(const void* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0) emu::fail_misaligned(address);
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
