#include "engine/random/noise.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/core/check.h"

namespace ito {
namespace {

// Whole blocks are made in tiles: the words of a tile lie apart by kind (structure of arrays), so
// that the compiler turns both loops into vector code, and the tile stays in the first cache.
constexpr uint32_t kTile = 64;

using Transform = F32x4 (*)(U32x4);

template <Transform transform, class T>
void fill_tile(T* out, NoiseKey key, uint32_t sample, uint32_t first_block) {
  float value[4][kTile];
  for (uint32_t i = 0; i < kTile; ++i) {
    const F32x4 x = transform(noise_bits(key, sample, first_block + i));
    for (int j = 0; j < 4; ++j) value[j][i] = x.v[j];
  }
  for (uint32_t i = 0; i < kTile; ++i) {
    for (int j = 0; j < 4; ++j) out[4 * i + j] = value[j][i];
  }
}

template <Transform transform, class T>
void fill(std::span<T> out, NoiseKey key, uint32_t sample, uint32_t first_element) {
  const uint64_t end = uint64_t{first_element} + out.size();
  ITO_CHECK(end <= uint64_t{1} << 32, ValueError, "noise: a sample has at most 2^32 elements",
            kv("first_element", first_element), kv("count", out.size()));
  uint64_t element = first_element;
  size_t i = 0;
  while (i < out.size()) {
    const uint32_t block = static_cast<uint32_t>(element / 4);
    if (element % 4 == 0 && out.size() - i >= 4 * kTile) {
      fill_tile<transform>(out.data() + i, key, sample, block);
      element += 4 * kTile;
      i += 4 * kTile;
      continue;
    }
    const F32x4 x = transform(noise_bits(key, sample, block));
    const size_t stop = std::min<size_t>(out.size(), i + 4 - element % 4);
    for (; i < stop; ++i, ++element) out[i] = x.v[element % 4];
  }
}

}  // namespace

void fill_normal(std::span<float> out, NoiseKey key, uint32_t sample, uint32_t first_element) {
  fill<normal4>(out, key, sample, first_element);
}

void fill_normal(std::span<double> out, NoiseKey key, uint32_t sample, uint32_t first_element) {
  fill<normal4>(out, key, sample, first_element);
}

void fill_uniform(std::span<float> out, NoiseKey key, uint32_t sample, uint32_t first_element) {
  fill<uniform4>(out, key, sample, first_element);
}

void fill_rademacher(std::span<float> out, NoiseKey key, uint32_t sample, uint32_t first_element) {
  fill<rademacher4>(out, key, sample, first_element);
}

std::vector<uint32_t> permutation(uint32_t n, NoiseKey key) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (uint32_t i = n; i > 1; --i) {
    const uint32_t bits = noise_bits(key, 0, i / 4).v[i % 4];
    std::swap(order[i - 1], order[bounded(bits, i)]);
  }
  return order;
}

}  // namespace ito
