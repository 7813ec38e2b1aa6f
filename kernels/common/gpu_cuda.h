// CUDA side of gpu.h: the only place with inline PTX and device intrinsics. Included by gpu.h only.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/common/gpu_types.h"

#define KERNEL(threads) static __global__ __launch_bounds__(threads) void
#define DEV __device__ __forceinline__

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Dynamic shared memory of the block, 128-byte aligned.
template <class T>
DEV T* dyn_smem() {
  extern __shared__ __align__(128) unsigned char ito_dynamic_shared_memory[];
  return reinterpret_cast<T*>(ito_dynamic_shared_memory);
}

/// Starts `kernel` on `stream`; `smem` bytes of dynamic shared memory. Returns the launch error.
template <class... P, class... A>
Status launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t smem, Stream stream,
              A&&... args) {
  const auto status = [](cudaError_t error) {
    return Status{static_cast<int>(error), error == cudaSuccess ? "" : cudaGetErrorString(error)};
  };
  // 48 KiB less the static memory of the kernel, which is not known here.
  constexpr std::size_t kDefaultLimit = 16 * 1024;
  if (smem > kDefaultLimit) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(smem));
    if (error != cudaSuccess) return status(error);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = smem;
  config.stream = stream;
  return status(cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(args))...));
}

/// d += a * b on a 16x8x16 tile of bfloat16 with fp32 sums; fragments as in PTX mma.m16n8k16. With
/// g = lane/4, t = lane%4: a[0..3] hold columns 2t, 2t+1 of row g, of row g+8, then 2t+8, 2t+9 of
/// both; b[0..1] hold rows 2t, 2t+1 and 2t+8, 2t+9 of column g; d holds columns 2t, 2t+1 of row g,
/// then of row g+8.
DEV void mma_bf16_16816(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// d += a * b on a 16x8x8 tile of tf32 (bits from tf32_bits) with fp32 sums, as PTX mma.m16n8k8:
/// a[0..3] hold column t of rows g, g+8, then column t+4; b[0..1] hold rows t, t+4 of column g.
DEV void mma_tf32_1688(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// The tf32 nearest to a finite `value`, ties away from zero, as the register that mma takes.
DEV std::uint32_t tf32_bits(float value) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

DEV std::uint32_t shared_address(const void* smem) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(smem));
}

/// Loads four 8x8 tiles of 16-bit values. Lane i gives the address of row i%8 of tile i/8 (16-byte
/// aligned); r[m] receives columns 2(lane%4), +1 of row lane/4 of tile m.
DEV void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
/// The same with each tile transposed: r[m] receives rows 2(lane%4), +1 of column lane/4.
DEV void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// Starts an asynchronous copy of `bytes` (0 to 16) bytes to shared memory, filling up with zeros
/// to
/// 16. Both addresses are 16-byte aligned. The data are there after cp_commit and cp_wait, for
/// other threads after a barrier that follows.
DEV void cp_async16(void* smem, const void* global, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(smem)), "l"(__cvta_generic_to_global(global)), "r"(bytes)
               : "memory");
}
/// Closes the group of this thread's copies.
DEV void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `pending` of this thread's groups are under way.
template <int pending>
DEV void cp_wait() {
  asm volatile("cp.async.wait_group %0;" : : "n"(pending) : "memory");
}

DEV float bits_to_float(unsigned bits) { return __uint_as_float(bits); }

/// Two bfloat16 in one register, `low` in the low half; nearest even, NaN becomes 0x7FFF.
DEV std::uint32_t bf16x2_bits(float low, float high) {
  std::uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

/// Adds to an integer in memory and returns the old value. There are no float atomics: their order
/// is not fixed.
DEV int atomic_add(int* address, int value) { return ::atomicAdd(address, value); }
DEV unsigned atomic_add(unsigned* address, unsigned value) { return ::atomicAdd(address, value); }

// Arithmetic rounded once per call, never contracted: bit-equal on host and device.
DEV float add_rn(float a, float b) { return __fadd_rn(a, b); }
DEV float mul_rn(float a, float b) { return __fmul_rn(a, b); }
DEV float fma_rn(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEV float div_rn(float a, float b) { return __fdiv_rn(a, b); }
DEV float sqrt_rn(float a) { return __fsqrt_rn(a); }
DEV double add_rn(double a, double b) { return __dadd_rn(a, b); }
DEV double mul_rn(double a, double b) { return __dmul_rn(a, b); }
DEV double fma_rn(double a, double b, double c) { return __fma_rn(a, b, c); }
DEV double div_rn(double a, double b) { return __ddiv_rn(a, b); }
DEV double sqrt_rn(double a) { return __dsqrt_rn(a); }

// Device approximations of about 2 units in the last place; the emulator rounds correctly.
DEV float exp_approx(float x) { return __expf(x); }
DEV float rsqrt_approx(float x) { return ::rsqrtf(x); }
DEV float div_approx(float a, float b) { return __fdividef(a, b); }

DEV void check_aligned16(const void*) {}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
