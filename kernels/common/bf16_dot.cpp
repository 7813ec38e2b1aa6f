#include "kernels/common/bf16_dot.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>

// Highway 1.0 has no target with these instructions.
#define ITO_BF16_DOT __attribute__((target("avx512f,avx512bf16")))

namespace ito {
namespace {

/// One pass.
template <int Rows>
ITO_BF16_DOT inline __attribute__((always_inline)) void add_pairs(const DotTile& t,
                                                                  const Bf16Pair* a,
                                                                  const Bf16Pair* b,
                                                                  __m512 (&sum)[Rows][2]) {
  for (int64_t i = 0; i < t.pairs; ++i, a += t.pair_step, b += t.b_step) {
    const auto left = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b));
    const auto right = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + 16));
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const auto pair =
          reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a[r * t.row_step])));
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], pair, left);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], pair, right);
    }
  }
}

template <int Rows>
ITO_BF16_DOT void multiply_rows(const DotTile& t, const Bf16Pair* a, const Bf16Pair* b, float* c) {
  __m512 sum[Rows][2];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    sum[r][0] = _mm512_loadu_ps(c + r * t.c_step);
    sum[r][1] = _mm512_loadu_ps(c + r * t.c_step + 16);
  }
  for (int64_t o = 0; o < t.outer.count; ++o) {
    for (int64_t i = 0; i < t.inner.count; ++i) {
      add_pairs(t, a + o * t.outer.a_step + i * t.inner.a_step,
                b + o * t.outer.b_step + i * t.inner.b_step, sum);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    _mm512_storeu_ps(c + r * t.c_step, sum[r][0]);
    _mm512_storeu_ps(c + r * t.c_step + 16, sum[r][1]);
  }
}

}  // namespace

bool has_bf16_dot() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
  return has;
}

void multiply_bf16(const DotTile& t) {
  for (int64_t p = 0; p < t.panels; ++p) {
    const Bf16Pair* b = t.b + p * t.pairs * kDotColumns;
    for (int64_t r = 0; r < t.rows; r += kDotRows) {
      const Bf16Pair* a = t.a + r / kDotRows * t.tile_step;
      float* c = t.c + r * t.c_step + p * kDotColumns;
      const int64_t rows = std::min(kDotRows, t.rows - r);
      if (rows > 4) {
        multiply_rows<kDotRows>(t, a, b, c);
      } else if (rows > 1) {
        multiply_rows<4>(t, a, b, c);
      } else {
        multiply_rows<1>(t, a, b, c);
      }
    }
  }
}

}  // namespace ito

#else

namespace ito {

bool has_bf16_dot() { return false; }
void multiply_bf16(const DotTile&) {}

}  // namespace ito

#endif
