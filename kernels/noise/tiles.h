// Loops over a batch in tiles with noise of their own.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/common/sampler_update.h"
#include "kernels/noise/op.h"

namespace ito {

inline void fill_noise(ops::NoiseKind kind, std::span<float> out, NoiseKey key, uint32_t sample,
                       uint32_t first_element) {
  switch (kind) {
    case ops::NoiseKind::normal:
      return fill_normal(out, key, sample, first_element);
    case ops::NoiseKind::uniform:
      return fill_uniform(out, key, sample, first_element);
    case ops::NoiseKind::rademacher:
      return fill_rademacher(out, key, sample, first_element);
  }
}

/// Calls body(offset, count, noise) for tiles of every sample; `offset` counts elements of the
/// batch [samples, elements], noise is a const float* to `count` values. Tiles are handed out in
/// parallel.
template <class Body>
void for_filled_tiles(ops::NoiseKind kind, NoiseKey key, std::span<const int64_t> samples,
                      int64_t elements, Body body) {
  const int64_t tiles = (elements + kNoiseTile - 1) / kNoiseTile;
  parallel_ranges(
      static_cast<int64_t>(samples.size()) * tiles, 16, [&](int64_t begin, int64_t end) {
        std::array<float, kNoiseTile> noise;
        for (int64_t task = begin; task < end; ++task) {
          const int64_t n = task / tiles, at = task % tiles * kNoiseTile;
          const int64_t count = std::min(kNoiseTile, elements - at);
          fill_noise(kind, std::span(noise).first(static_cast<size_t>(count)), key,
                     sample_counter(samples[static_cast<size_t>(n)]), static_cast<uint32_t>(at));
          body(n * elements + at, count, static_cast<const float*>(noise.data()));
        }
      });
}

}  // namespace ito
