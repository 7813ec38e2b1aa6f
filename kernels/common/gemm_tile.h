// What all targets and forms of our matrix products share.
#pragma once

#include <cstdint>

namespace ito {

// One task computes a tile of at most kTileRows x kTileCols, kDepth steps along the depth at a time
// (a step: a value, or a pair of bf16). A, B and the sums of a tile stay in the second-level cache,
// a panel of B in the first. Rows of packed A are padded so that they do not fall on the same cache
// sets.
constexpr int64_t kTileRows = 288, kTileCols = 128, kDepth = 256, kDepthStride = kDepth + 16;

/// A piece of the result.
struct Tile {
  int64_t row, rows, col, cols;
};

/// A loop around the one along the depth; the operands of its passes are so far apart.
struct Passes {
  int64_t count = 1, a_step = 0, b_step = 0;
};

}  // namespace ito
