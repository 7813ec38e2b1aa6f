// What the attention kernels are made of: tiles of bf16 rows in shared memory, their products on
// tensor cores, and the running softmax of the rows that a warp owns.
#pragma once

#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {

using gpu::Bf16Bits;
using gpu::kWarpSize;

constexpr int kThreads = 128;  // four warps
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kLargestDepth = 256;
constexpr int kRowsPerMma = 16;

/// Rows and columns of one batch entry, and how they are read; D is `depth`.
struct Extent {
  int rows, columns, depth;
  float scale;
  bool aligned;  ///< every row starts on a multiple of 16 bytes
};

DEV std::size_t entry_offset(int rows, int depth) {
  return static_cast<std::size_t>(blockIdx.y) * static_cast<std::size_t>(rows) *
         static_cast<std::size_t>(depth);
}

/// Elements of a row of a tile in shared memory: 16-byte aligned, and 8 rows on different banks.
template <int kDepth>
constexpr int kStride = kDepth + 8;

/// Starts the copy of rows [first, first + kRows) of x [count, depth]; the rest is filled with
/// zeros. Ends with cp_commit, so the caller waits with cp_wait and a barrier.
template <int kRows, int kDepth>
DEV void start_tile(Bf16Bits* tile, const Bf16Bits* x, int first, int count, const Extent& e) {
  constexpr int kChunks = kDepth / 8;
  for (int i = gpu::thread_rank(); i < kRows * kChunks; i += kThreads) {
    const int r = first + i / kChunks, c = i % kChunks * 8;
    const bool inside = r < count && c < e.depth;
    const std::size_t at = inside
                               ? static_cast<std::size_t>(r) * static_cast<std::size_t>(e.depth) +
                                     static_cast<std::size_t>(c)
                               : 0;
    Bf16Bits* to = tile + i / kChunks * kStride<kDepth> + c;
    if (e.aligned) {
      gpu::cp_async16(to, x + at, inside ? 16 : 0);
    } else {
      for (int j = 0; j < 8; ++j) {
        to[j] = inside && c + j < e.depth ? x[at + static_cast<std::size_t>(j)] : Bf16Bits{0};
      }
    }
  }
  gpu::cp_commit();
}

/// s[j] = rows of this warp of `a` times rows 8 j ... 8 j + 7 of `b`, both tiles in shared memory.
template <int kColumns, int kDepth>
DEV void multiply_rows(const Bf16Bits* a, const Bf16Bits* b, int depth,
                       float (&s)[kColumns / 8][4]) {
  const int lane = gpu::lane_id();
  const Bf16Bits* row =
      a + (gpu::warp_id() * kRowsPerMma + lane % 16) * kStride<kDepth> + lane / 16 * 8;
  const Bf16Bits* column = b + (lane / 16 * 8 + lane % 8) * kStride<kDepth> + lane / 8 % 2 * 8;
#pragma unroll
  for (int j = 0; j < kColumns / 8; ++j) s[j][0] = s[j][1] = s[j][2] = s[j][3] = 0;
  for (int k = 0; k < depth; k += 16) {
    std::uint32_t fa[4], fb[4];
    gpu::ldmatrix_x4(fa, row + k);
#pragma unroll
    for (int j = 0; j < kColumns / 8; j += 2) {
      gpu::ldmatrix_x4(fb, column + j * 8 * kStride<kDepth> + k);
      gpu::mma_bf16_16816(s[j], fa, {fb[0], fb[1]});
      gpu::mma_bf16_16816(s[j + 1], fa, {fb[2], fb[3]});
    }
  }
}

/// sums += p b, with p in the layout of mma sums, rounded to bf16, and b [kColumns, kDepth] a tile.
template <int kColumns, int kDepth>
DEV void accumulate(const float (&p)[kColumns / 8][4], const Bf16Bits* b, int depth,
                    float (&sums)[kDepth / 8][4]) {
  const int lane = gpu::lane_id();
#pragma unroll
  for (int k = 0; k < kColumns / 16; ++k) {
    const std::uint32_t fa[4] = {gpu::bf16x2_bits(p[2 * k][0], p[2 * k][1]),
                                 gpu::bf16x2_bits(p[2 * k][2], p[2 * k][3]),
                                 gpu::bf16x2_bits(p[2 * k + 1][0], p[2 * k + 1][1]),
                                 gpu::bf16x2_bits(p[2 * k + 1][2], p[2 * k + 1][3])};
    const Bf16Bits* row = b + (k * 16 + lane % 16) * kStride<kDepth> + lane / 16 * 8;
#pragma unroll
    for (int n = 0; n < kDepth / 8; n += 2) {
      if (n * 8 >= depth) continue;  // the same for all lanes
      std::uint32_t fb[4];
      gpu::ldmatrix_x4_trans(fb, row + n * 8);
      gpu::mma_bf16_16816(sums[n], fa, {fb[0], fb[1]});
      gpu::mma_bf16_16816(sums[n + 1], fa, {fb[2], fb[3]});
    }
  }
}

/// Sum or maximum over the four lanes that hold one row of an mma tile.
DEV float quad_sum(float v) {
  v += __shfl_xor_sync(gpu::kFullMask, v, 1);
  return v + __shfl_xor_sync(gpu::kFullMask, v, 2);
}
DEV float larger(float a, float b) { return a > b ? a : b; }
DEV float quad_max(float v) {
  v = larger(v, __shfl_xor_sync(gpu::kFullMask, v, 1));
  return larger(v, __shfl_xor_sync(gpu::kFullMask, v, 2));
}

/// Writes this warp's sums, times factor[0] for row lane/4 and factor[1] for row lane/4 + 8.
template <int kDepth>
DEV void store_rows(Bf16Bits* to, int first, const Extent& e, const float (&sums)[kDepth / 8][4],
                    const float (&factor)[2]) {
  const int lane = gpu::lane_id();
#pragma unroll
  for (int n = 0; n < kDepth / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int r = first + gpu::warp_id() * kRowsPerMma + lane / 4 + i / 2 * 8;
      const int c = n * 8 + lane % 4 * 2 + i % 2;
      if (r < e.rows && c < e.depth) {
        to[static_cast<std::size_t>(r) * static_cast<std::size_t>(e.depth) +
           static_cast<std::size_t>(c)] = gpu::bf16_bits(sums[n][i] * factor[i / 2]);
      }
    }
  }
}

/// Running softmax of the two rows that a lane has a part of: maximum and its own part of the sum.
struct RunningSoftmax {
  float top[2], sum[2];

  /// Turns scores into exp(score - top), with the new maximum; columns from `count` on are absent.
  /// `shrink` receives what earlier sums must be multiplied by.
  template <int kColumns>
  DEV void update(float (&s)[kColumns / 8][4], float scale, int count, float (&shrink)[2]) {
    const int column = gpu::lane_id() % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float highest = top[half];
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[j][i] = j * 8 + column + i % 2 < count ? s[j][i] * scale : -INFINITY;
          highest = larger(s[j][i], highest);
        }
      }
      highest = quad_max(highest);
      shrink[half] = gpu::exp_approx(top[half] - highest);
      top[half] = highest;
      float total = 0;
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[j][i] = gpu::exp_approx(s[j][i] - highest);
          total += s[j][i];
        }
      }
      sum[half] = sum[half] * shrink[half] + total;
    }
  }
};

}  // namespace ito::ITO_GPU_NS
