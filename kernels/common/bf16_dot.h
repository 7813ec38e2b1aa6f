// Tiles of a matrix product of bf16 with the processor's dot products of pairs (AVX512_BF16), which
// are twice as fast as multiply-adds in float.
#pragma once

#include <cstdint>

#include "kernels/common/gemm_tile.h"

namespace ito {

/// Whether the processor has them.
bool has_bf16_dot();

/// Values (2i, 2i + 1) along the depth, the first in the lower half.
using Bf16Pair = uint32_t;

/// Rows of a register tile, and columns of a panel of B.
constexpr int64_t kDotRows = 12, kDotColumns = 32;

/// c[rows, columns] += A B for any number of rows and panels. Pair i of row r of A is at
/// a[r / kDotRows * tile_step + r % kDotRows * row_step + i * pair_step], where rows up to the next
/// multiple of kDotRows can be read and their sums written; pair i of column j of panel p of B at
/// b[p * pairs * kDotColumns + i * b_step + j]; row r of C at c + r * c_step. An element of C is
/// one chain over the passes and their pairs in order, each of which adds its two products one
/// after the other (VDPBF16PS in Intel's manual; denormals count as zero).
struct DotTile {
  int64_t rows, panels, pairs;
  const Bf16Pair* a;
  int64_t tile_step, row_step, pair_step;
  const Bf16Pair* b;
  int64_t b_step = kDotColumns;
  float* c;
  int64_t c_step;
  Passes outer, inner;
};
void multiply_bf16(const DotTile& tile);

}  // namespace ito
