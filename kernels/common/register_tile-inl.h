// The innermost loop of our matrix products, for every SIMD target: a tile of the result that stays
// in registers along the whole depth.
#if defined(ITO_KERNELS_COMMON_REGISTER_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_COMMON_REGISTER_TILE_INL_H_
#undef ITO_KERNELS_COMMON_REGISTER_TILE_INL_H_
#else
#define ITO_KERNELS_COMMON_REGISTER_TILE_INL_H_
#endif

#include "kernels/common/gemm.h"
#include "kernels/common/gemm_tile.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

// The largest tile: kRows rows of kVectors vectors. 24 of 32 registers hold sums with AVX-512, 12
// of 16 with AVX2.
#if HWY_TARGET <= HWY_AVX3
constexpr int kRows = 12;
#else
constexpr int kRows = 6;
#endif
constexpr int kVectors = 2;

/// Columns of a tile of kVectors vectors.
template <class A>
int64_t panel_columns() {
  return kVectors * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<A>()));
}

/// c (+)= a b for register tiles. Element (r, k) of a is a[r * a_step + k] or, by_depth,
/// a[k * a_step + r]; row k of b is at b + k * b_step, row r of c at c + r * c_step. The sums go on
/// through all passes.
enum class Order { by_row, by_depth };
template <class A>
struct Product {
  int64_t depth;
  const A* a;
  int64_t a_step;
  const A* b;
  int64_t b_step;
  A* c;
  int64_t c_step;
  GemmStart start;
  Passes outer, inner;
  /// What a later product reads as b, in whole rows of vectors one after the other: brought into
  /// the second-level cache meanwhile. Null: nothing.
  const A* next = nullptr;
};

template <int Rows, int Vectors, Order kOrder, class A>
HWY_INLINE void multiply(const Product<A>& p) {
  const hn::ScalableTag<A> d;
  using Vector = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  Vector sum[Rows][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      const A* c = p.c + r * p.c_step + v * lanes;
      sum[r][v] = p.start == GemmStart::zero ? hn::Zero(d) : hn::LoadU(d, c);
    }
  }
  const A* next = p.next != nullptr ? p.next : p.b;  // which is there anyway
  const int64_t next_step = p.next != nullptr ? Vectors * lanes : 0;
  const auto add_products = [&](const A* a, const A* b) HWY_ATTR {
    for (int64_t k = 0; k < p.depth; ++k, b += p.b_step) {
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) __builtin_prefetch(next + v * lanes, 0, 2);
      next += next_step;
      Vector row[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) row[v] = hn::LoadU(d, b + v * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Vector value = hn::Set(d, kOrder == Order::by_row ? a[r * p.a_step] : a[r]);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = hn::MulAdd(value, row[v], sum[r][v]);
      }
      a += kOrder == Order::by_row ? 1 : p.a_step;
    }
  };
  for (int64_t i = 0; i < p.outer.count; ++i) {
    for (int64_t j = 0; j < p.inner.count; ++j) {
      add_products(p.a + i * p.outer.a_step + j * p.inner.a_step,
                   p.b + i * p.outer.b_step + j * p.inner.b_step);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) hn::StoreU(sum[r][v], d, p.c + r * p.c_step + v * lanes);
  }
}

/// A product of register tiles for any number of rows, none beyond which is touched.
template <int Vectors, Order kOrder, class A>
HWY_INLINE void multiply_exact_rows(int64_t rows, Product<A> p) {
  const auto pieces = [&]<int Rows>(std::integral_constant<int, Rows>) HWY_ATTR {
    if constexpr (Rows <= kRows) {
      for (; rows >= Rows; rows -= Rows) {
        multiply<Rows, Vectors, kOrder>(p);
        p.a += Rows * (kOrder == Order::by_row ? p.a_step : 1);
        p.c += Rows * p.c_step;
      }
    }
  };
  pieces(std::integral_constant<int, kRows>());
  pieces(std::integral_constant<int, 8>());
  pieces(std::integral_constant<int, 4>());
  pieces(std::integral_constant<int, 2>());
  pieces(std::integral_constant<int, 1>());
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
