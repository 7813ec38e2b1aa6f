// Host entry points of the tiny kernels that test the emulator; the same source is compiled by
// nvcc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common/gpu_types.h"

namespace ito::ITO_GPU_NS {

// memory.cu: memory that host and kernels share; finish() waits for the kernels.
bool available();
void* allocate(std::size_t bytes);
void release(void* memory);
gpu::Status finish();

// elementwise.cu
gpu::Status axpy(float a, const float* x, float* y, int n);
gpu::Status axpy_packed(float a, const float* x, float* y, int n);  // 16-byte aligned x and y
gpu::Status round_to_bf16(const float* x, std::uint16_t* bits, float* back, int n);
gpu::Status rounded_arithmetic(const float* x, const float* y, float* out, int n);  // out[5][n]
gpu::Status thread_positions(int* out);  // grid 2x3x2 of blocks 4x2x3, out[12][24]

// reduce.cu: sum and maximum of each row of x[rows][n], accumulated in T.
gpu::Status row_sums(const float* x, float* sums, int rows, int n);
gpu::Status row_sums(const double* x, double* sums, int rows, int n);
gpu::Status row_maxima(const float* x, float* maxima, int rows, int n);
gpu::Status shuffles(const int* x, int* out);  // out[3][32]: rotate by 5, down by 3, xor 9
gpu::Status histogram(const int* x, int* counts, int n, int bins);

// gemm.cu: c[m][n] = a[m][k] * b[k][n], row-major bfloat16 bits; k and n multiples of 8, 16-byte
// aligned. gemm_fragments loads fragments straight from memory; m, n, k multiples of 16, 8, 16.
gpu::Status gemm(const std::uint16_t* a, const std::uint16_t* b, float* c, int m, int n, int k);
gpu::Status gemm_fragments(const std::uint16_t* a, const std::uint16_t* b, float* c, int m, int n,
                           int k);
gpu::Status gemm_tf32(const float* a, const float* b, float* c, int m, int n, int k);
gpu::Status ldmatrix_tiles(const std::uint16_t* tiles, std::uint32_t* plain,
                           std::uint32_t* transposed);  // tiles[4][8][8], out[32][4]

// faults.cu: each is correct with Plant::nothing.
enum class Plant { nothing, fault };
gpu::Status shift(const float* x, float* y, Plant plant);  // 64 values; a missing __syncthreads
gpu::Status warp_shift(const float* x, float* y, Plant plant);     // a missing __syncwarp
gpu::Status weak_barrier(const float* x, float* y, Plant plant);   // __syncwarp in its place
gpu::Status ldmatrix_sync(const float* x, float* y, Plant plant);  // a missing __syncwarp
gpu::Status partial_mask(const float* x, float* y, Plant plant);
gpu::Status reused_buffer(const float* x, float* y, Plant plant);  // a missing second barrier
gpu::Status static_overrun(const float* x, float* y, Plant plant);
gpu::Status dynamic_overrun(const float* x, float* y, Plant plant);
gpu::Status global_overrun(const float* x, float* y, Plant plant);
gpu::Status unwritten_static(const float* x, float* y, Plant plant);
gpu::Status unwritten_dynamic(const float* x, float* y, Plant plant);
gpu::Status copy_wait(const float* x, float* y, Plant plant);        // no cp_wait at all
gpu::Status copy_wait_early(const float* x, float* y, Plant plant);  // one group too few waited for
gpu::Status copy_wait_barrier(const float* x, float* y, Plant plant);  // no barrier after cp_wait
gpu::Status divergent_barrier(const float* x, float* y, Plant plant);
gpu::Status early_return(const float* x, float* y, Plant plant);
gpu::Status divergent_shuffle(const float* x, float* y, Plant plant);
gpu::Status mixed_warp_ops(const float* x, float* y, Plant plant);
gpu::Status misaligned(const float* x, float* y, Plant plant);
gpu::Status overlapping_blocks(const float* x, float* y, Plant plant);
gpu::Status in_place_stencil(const float* x, float* y, Plant plant);
gpu::Status plain_counter(int* count, Plant plant);  // + instead of atomic_add, 2 blocks of 64
/// Sums 64 values; the last of 4 blocks adds what they left in partial[4]. A missing __threadfence.
gpu::Status last_block_sum(const float* x, float* partial, int* arrived, float* total, Plant plant);
/// Threads `other` and 62 read a value that 62 then overwrites; a missing barrier.
gpu::Status early_overwrite(const float* x, float* y, int other, Plant plant);
gpu::Status shift_without_memory(const float* x, float* y);  // launched with too few bytes: none

// A kernel that does nothing, with the launch shape of the caller.
gpu::Status empty_launch(unsigned grid, unsigned threads, std::size_t smem);

}  // namespace ito::ITO_GPU_NS
