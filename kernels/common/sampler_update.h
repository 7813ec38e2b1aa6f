// What the sampler updates (affine_noise_step, langevin_step) share: checks, and loops over tiles
// of a sample with their noise.
#pragma once

#include <algorithm>

#include "engine/autograd/op_info.h"
#include "engine/core/parallel.h"
#include "engine/random/noise.h"

namespace ito {

/// Checks x, score, z [N, ...] and samples i64 [N]. Throws ShapeError, DTypeError.
void check_sampler_inputs(const Spec& x, const Spec& score, const Spec& samples, const Spec& z);
/// Checks a table [S, columns] f64 with its row index i64 [1]. Throws ShapeError, DTypeError.
void check_table(const Spec& table, const Spec& row, int64_t columns);

/// Value of a row index. Throws ValueError if it is not a row of the table.
int64_t table_row(const Tensor& row, const Tensor& table);
/// Global sample index as the counter takes it. Throws ValueError beyond 32 bits.
uint32_t sample_counter(int64_t index);

/// The stream of table row `row`.
inline NoiseKey key_of_row(NoiseKey key, int64_t row) {
  key.step += static_cast<uint32_t>(row);
  return key;
}

/// Standard normal noise for a whole batch, [N, ...] like x: the given z, or generated. For
/// references.
Tensor batch_noise(const Tensor& x, const Tensor& samples, const Tensor& z, NoiseKey key);

inline constexpr int64_t kNoiseTile = 512;  // elements whose noise is made together, on the stack

/// Calls body(offset in x, count, noise) for every tile of every sample; noise points to `count`
/// values. Tiles are handed out in parallel and write to places of their own.
template <class T, class Body>
void for_noise_tiles(int64_t samples, int64_t elements, const int64_t* indices, const T* z,
                     NoiseKey key, Body body) {
  constexpr int64_t kTilesPerChunk = 32;
  const int64_t tiles = (elements + kNoiseTile - 1) / kNoiseTile;
  const int64_t chunks = (tiles + kTilesPerChunk - 1) / kTilesPerChunk;
  parallel_for(samples * chunks, [&](int64_t task) {
    const int64_t n = task / chunks, first = task % chunks * kTilesPerChunk;
    for (int64_t tile = first; tile < std::min(tiles, first + kTilesPerChunk); ++tile) {
      const int64_t at = tile * kNoiseTile, count = std::min(kNoiseTile, elements - at);
      Acc<T> noise[kNoiseTile];
      if (z != nullptr) {
        for (int64_t i = 0; i < count; ++i)
          noise[i] = static_cast<Acc<T>>(z[n * elements + at + i]);
      } else {
        fill_normal(std::span<Acc<T>>(noise, static_cast<size_t>(count)), key,
                    sample_counter(indices[n]), static_cast<uint32_t>(at));
      }
      body(n, n * elements + at, count, noise);
    }
  });
}

}  // namespace ito
