// The two tile products, D[kRows, kColumns] += A B over kDepth values of k in shared memory: bf16
// on tensor cores, f32 on fp32 multiply-adds. Each element of D is one sum in ascending k whatever
// the tile size, so the choice of tile never shows in the result.
#pragma once

#include "kernels/common/product_staging.cuh"

namespace ito::ITO_GPU_NS {

/// Where results go: c [batch, m, n] with the bias added, or, while k is cut into slices, fp32
/// partial sums.
template <class T>
struct Output {
  T* c;
  const T* bias;    ///< [n] or null
  float* partials;  ///< [slices, batch, m, n] or null
  int m, n;
  bool pairs;  ///< neighbours in even columns can be stored as one

  DEV std::int64_t offset(int row, int column) const {
    return static_cast<std::int64_t>(row) * n + column;
  }
  DEV float finished(float sum, int column) const {
    return bias != nullptr ? sum + gpu::widen(bias[column]) : sum;
  }
  DEV void put(int row, int column, float sum) const {
    if (row >= m || column >= n) return;
    if (partials != nullptr) {
      partials[offset(row, column)] = sum;
    } else {
      c[offset(row, column)] = gpu::narrow<T>(finished(sum, column));
    }
  }
  /// Two neighbours, the first in an even column.
  DEV void put_pair(int row, int column, float first, float second) const {
    if (partials == nullptr && pairs && row < m && column < n) {
      const std::uint32_t bits =
          gpu::bf16x2_bits(finished(first, column), finished(second, column + 1));
      *reinterpret_cast<std::uint32_t*>(c + offset(row, column)) = bits;
    } else {
      put(row, column, first);
      put(row, column + 1, second);
    }
  }
};

/// kSize x kSize x 32 of bf16 by warps of kSize/2 x 32, as m16n8k16 products.
template <int kSize>
class TensorCoreTile {
 public:
  static constexpr int kRows = kSize, kColumns = kSize, kDepth = 32;
  static constexpr int kWarpRows = kSize / 2, kWarpColumns = 32;
  static constexpr int kThreads = kSize / kWarpRows * (kSize / kWarpColumns) * gpu::kWarpSize;

  template <class StagingA, class StagingB>
  DEV void multiply(const Bf16Bits* a, const Bf16Bits* b) {
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      std::uint32_t fb[kWarpColumns / 16][4];
#pragma unroll
      for (int j = 0; j < kWarpColumns / 16; ++j) {
        load_columns<StagingB>(fb[j], b, first_column() + j * 16, k);
      }
#pragma unroll
      for (int i = 0; i < kWarpRows / 16; ++i) {
        std::uint32_t fa[4];
        load_rows<StagingA>(fa, a, first_row() + i * 16, k);
#pragma unroll
        for (int j = 0; j < kWarpColumns / 16; ++j) {
          gpu::mma_bf16_16816(sums_[i][2 * j], fa, {fb[j][0], fb[j][1]});
          gpu::mma_bf16_16816(sums_[i][2 * j + 1], fa, {fb[j][2], fb[j][3]});
        }
      }
    }
  }

  template <class StagingA, class StagingB>
  DEV void store(const Output<Bf16Bits>& out, int row, int column) const {
    row += first_row() + gpu::lane_id() / 4;
    column += first_column() + gpu::lane_id() % 4 * 2;
#pragma unroll
    for (int i = 0; i < kWarpRows / 16; ++i) {
#pragma unroll
      for (int j = 0; j < kWarpColumns / 8; ++j) {
        const float(&s)[4] = sums_[i][j];
        out.put_pair(row + i * 16, column + j * 8, s[0], s[1]);
        out.put_pair(row + i * 16 + 8, column + j * 8, s[2], s[3]);
      }
    }
  }

 private:
  static constexpr int kWarpsAcross = kSize / kWarpColumns;
  DEV static int first_row() { return gpu::warp_id() / kWarpsAcross * kWarpRows; }
  DEV static int first_column() { return gpu::warp_id() % kWarpsAcross * kWarpColumns; }

  /// The operand a of one mma product: 16 rows, 16 values of k.
  template <class Staged>
  DEV static void load_rows(std::uint32_t (&f)[4], const Bf16Bits* tile, int row, int k) {
    const int lane = gpu::lane_id();
    if constexpr (Staged::kAlongK) {
      gpu::ldmatrix_x4(f, tile + (row + lane % 16) * Staged::kStride + k + lane / 16 * 8);
    } else {
      const int line = k + lane / 16 * 8 + lane % 8;
      gpu::ldmatrix_x4_trans(f, tile + line * Staged::kStride + row + lane / 8 % 2 * 8);
    }
  }
  /// The operands b of two mma products: 16 columns, 16 values of k.
  template <class Staged>
  DEV static void load_columns(std::uint32_t (&f)[4], const Bf16Bits* tile, int column, int k) {
    const int lane = gpu::lane_id();
    if constexpr (Staged::kAlongK) {
      const int line = column + lane / 16 * 8 + lane % 8;
      gpu::ldmatrix_x4(f, tile + line * Staged::kStride + k + lane / 8 % 2 * 8);
    } else {
      gpu::ldmatrix_x4_trans(f, tile + (k + lane % 16) * Staged::kStride + column + lane / 16 * 8);
    }
  }

  float sums_[kWarpRows / 16][kWarpColumns / 8][4] = {};
};

/// kSize x kSize x 16 of f32 by threads of 8 x 8, which read 16 bytes of shared memory at a time
/// along k or across it.
template <int kSize>
class PlainTile {
 public:
  static constexpr int kRows = kSize, kColumns = kSize, kDepth = 16;
  static constexpr int kSide = kSize / 8, kThreads = kSide * kSide;

  template <class StagingA, class StagingB>
  DEV void multiply(const float* a, const float* b) {
#pragma unroll
    for (int k = 0; k < kDepth; k += 4) {
      float fa[8][4], fb[8][4];
      load<StagingA>(fa, a, gpu::thread_rank() / kSide, k);
      load<StagingB>(fb, b, gpu::thread_rank() % kSide, k);
#pragma unroll
      for (int step = 0; step < 4; ++step) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
#pragma unroll
          for (int j = 0; j < 8; ++j) {
            sums_[i][j] = gpu::fma_rn(fa[i][step], fb[j][step], sums_[i][j]);
          }
        }
      }
    }
  }

  template <class StagingA, class StagingB>
  DEV void store(const Output<float>& out, int row, int column) const {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        out.put(row + place<StagingA>(gpu::thread_rank() / kSide, i),
                column + place<StagingB>(gpu::thread_rank() % kSide, j), sums_[i][j]);
      }
    }
  }

 private:
  /// Row or column `i` of those that thread `index` of a side owns.
  template <class Staged>
  DEV static int place(int index, int i) {
    return Staged::kAlongK ? index + i * kSide : index * 4 + i % 4 + i / 4 * (kSize / 2);
  }
  /// f[i][s] = the operand at row or column place(index, i), k + s.
  template <class Staged>
  DEV static void load(float (&f)[8][4], const float* tile, int index, int k) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if constexpr (Staged::kAlongK) {
        gpu::load_floats<4>(tile + place<Staged>(index, i) * Staged::kStride + k, f[i]);
      } else {
        float across[4];
        gpu::load_floats<4>(tile + (k + i / 2) * Staged::kStride + place<Staged>(index, i % 2 * 4),
                            across);
#pragma unroll
        for (int j = 0; j < 4; ++j) f[i % 2 * 4 + j][i / 2] = across[j];
      }
    }
  }

  float sums_[8][8] = {};
};

}  // namespace ito::ITO_GPU_NS
