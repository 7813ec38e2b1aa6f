// Sizes that the CPU and the GPU kernels of attention share.
#pragma once

#include <cstdint>

namespace ito {

struct AttentionParams {
  int64_t batch = 0, queries = 0, keys = 0;
  int64_t depth = 0;  ///< D
  double scale = 1;
};

/// Which rows a pass of the backward kernels computes. Both recompute the probabilities P of a tile
/// from the log-sum-exp, which belongs to the queries: to the rows of the tile, or to its columns.
enum class TileRows : uint8_t { queries, keys };

}  // namespace ito
