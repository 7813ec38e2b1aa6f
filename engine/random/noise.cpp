#include "engine/random/noise.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/core/check.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace ito {
namespace {

// Whole blocks are made in tiles: the words of a tile lie apart by kind (structure of arrays), so
// that the compiler turns the loops over them into vector code, and the tile stays in the first
// cache.
constexpr uint32_t kTile = 64;

/// words[j][i] = word j of block first + i.
struct TileBits {
  alignas(32) uint32_t words[4][kTile];
};

#if defined(__AVX2__)

/// Four blocks, one in each 64-bit lane. The lower halves hold the words and the upper ones
/// rubbish, which the product of lower halves does not read: a round then needs no shuffle, of
/// which a compiler takes more than all other instructions.
struct FourBlocks {
  __m256i c[4];

  void round(__m256i key0, __m256i key1) {
    const __m256i p0 = _mm256_mul_epu32(c[0], _mm256_set1_epi64x(0xD2511F53u));
    const __m256i p1 = _mm256_mul_epu32(c[2], _mm256_set1_epi64x(0xCD9E8D57u));
    const __m256i high0 = _mm256_srli_epi64(p0, 32), high1 = _mm256_srli_epi64(p1, 32);
    c[0] = _mm256_xor_si256(_mm256_xor_si256(high1, c[1]), key0);
    c[2] = _mm256_xor_si256(_mm256_xor_si256(high0, c[3]), key1);
    c[1] = p1;
    c[3] = p0;
  }
};

__m256i in_all_lanes(uint32_t word) { return _mm256_set1_epi64x(word); }

/// As noise_bits, eight blocks at a time: the even ones and the odd ones.
void make_bits(NoiseKey key, uint32_t sample, uint32_t first, TileBits& bits) {
  __m256i keys[10][2];
  uint32_t key0 = static_cast<uint32_t>(key.seed), key1 = static_cast<uint32_t>(key.seed >> 32);
  for (auto& [low, high] : keys) {
    low = in_all_lanes(key0);
    high = in_all_lanes(key1);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const __m256i c1 = in_all_lanes(sample), c2 = in_all_lanes(key.step);
  const __m256i c3 = in_all_lanes(static_cast<uint32_t>(key.purpose));
  const __m256i evens = _mm256_setr_epi64x(0, 2, 4, 6);
  for (uint32_t i = 0; i < kTile; i += 8) {
    const __m256i block = _mm256_add_epi32(in_all_lanes(first + i), evens);
    FourBlocks even{{block, c1, c2, c3}};
    FourBlocks odd{{_mm256_add_epi32(block, in_all_lanes(1)), c1, c2, c3}};
    for (const auto& [low, high] : keys) {
      even.round(low, high);
      odd.round(low, high);
    }
    for (int j = 0; j < 4; ++j) {
      const __m256i mixed =
          _mm256_blend_epi32(even.c[j], _mm256_slli_epi64(odd.c[j], 32), 0b10101010);
      _mm256_store_si256(reinterpret_cast<__m256i*>(bits.words[j] + i), mixed);
    }
  }
}

#else

void make_bits(NoiseKey key, uint32_t sample, uint32_t first, TileBits& bits) {
  for (uint32_t i = 0; i < kTile; ++i) {
    const U32x4 block = noise_bits(key, sample, first + i);
    for (int j = 0; j < 4; ++j) bits.words[j][i] = block.v[j];
  }
}

#endif

using Transform = F32x4 (*)(U32x4);

template <Transform transform, class T>
void fill_tile(T* out, NoiseKey key, uint32_t sample, uint32_t first_block) {
  TileBits bits;
  make_bits(key, sample, first_block, bits);
  const auto& w = bits.words;
  float value[4][kTile];
  for (uint32_t i = 0; i < kTile; ++i) {
    const F32x4 x = transform({{w[0][i], w[1][i], w[2][i], w[3][i]}});
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
