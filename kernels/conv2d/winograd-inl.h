// Transforms and products of Winograd's F(4 x 4, 3 x 3), for every SIMD target. All transforms work
// on vectors over channels.
#if defined(ITO_KERNELS_CONV2D_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_CONV2D_WINOGRAD_INL_H_
#undef ITO_KERNELS_CONV2D_WINOGRAD_INL_H_
#else
#define ITO_KERNELS_CONV2D_WINOGRAD_INL_H_
#endif

#include "kernels/common/register_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

using FloatTag = hn::ScalableTag<float>;
using Vector = hn::Vec<FloatTag>;

HWY_INLINE Vector scaled(float factor, Vector v) { return hn::Mul(hn::Set(FloatTag(), factor), v); }
/// factor a + b
HWY_INLINE Vector fma(float factor, Vector a, Vector b) {
  return hn::MulAdd(hn::Set(FloatTag(), factor), a, b);
}

// The one-dimensional transforms, for the points 0, 1, -1, 2, -2 and infinity.

/// B^T d: 6 values of a window to 6 points.
struct DataTransform {
  static constexpr int kFrom = 6, kTo = 6;
  static HWY_INLINE void apply(const Vector* d, Vector* y) {
    const Vector even1 = fma(-4, d[2], d[4]), odd1 = fma(-4, d[1], d[3]);
    const Vector even2 = hn::Sub(d[4], d[2]), odd2 = hn::Sub(d[3], d[1]);
    y[0] = fma(4, d[0], fma(-5, d[2], d[4]));
    y[1] = hn::Add(even1, odd1);
    y[2] = hn::Sub(even1, odd1);
    y[3] = fma(2, odd2, even2);
    y[4] = fma(-2, odd2, even2);
    y[5] = fma(4, d[1], fma(-5, d[3], d[5]));
  }
};

/// A^T m: 6 points to 4 outputs.
struct OutputTransform {
  static constexpr int kFrom = 6, kTo = 4;
  static HWY_INLINE void apply(const Vector* m, Vector* y) {
    const Vector sum1 = hn::Add(m[1], m[2]), difference1 = hn::Sub(m[1], m[2]);
    const Vector sum2 = hn::Add(m[3], m[4]), difference2 = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(m[0], hn::Add(sum1, sum2));
    y[1] = fma(2, difference2, difference1);
    y[2] = fma(4, sum2, sum1);
    y[3] = fma(8, difference2, hn::Add(difference1, m[5]));
  }
};

/// A g: the adjoint of OutputTransform, 4 gradients to 6 points.
struct OutputAdjoint {
  static constexpr int kFrom = 4, kTo = 6;
  static HWY_INLINE void apply(const Vector* g, Vector* m) {
    const Vector even1 = hn::Add(g[0], g[2]), odd1 = hn::Add(g[1], g[3]);
    const Vector even2 = fma(4, g[2], g[0]), odd2 = fma(8, g[3], scaled(2, g[1]));
    m[0] = g[0];
    m[1] = hn::Add(even1, odd1);
    m[2] = hn::Sub(even1, odd1);
    m[3] = hn::Add(even2, odd2);
    m[4] = hn::Sub(even2, odd2);
    m[5] = g[3];
  }
};

/// G g: 3 taps to 6 points.
struct WeightsTransform {
  static constexpr int kFrom = 3, kTo = 6;
  static HWY_INLINE void apply(const Vector* g, Vector* u) {
    const Vector ends = scaled(-1.0F / 6, hn::Add(g[0], g[2])), middle = scaled(1.0F / 6, g[1]);
    const Vector far = fma(1.0F / 24, g[0], scaled(1.0F / 6, g[2])), near = scaled(1.0F / 12, g[1]);
    u[0] = scaled(0.25F, g[0]);
    u[1] = hn::Sub(ends, middle);
    u[2] = hn::Add(ends, middle);
    u[3] = hn::Add(far, near);
    u[4] = hn::Sub(far, near);
    u[5] = g[2];
  }
};

/// G^T p: the adjoint of WeightsTransform, 6 points to the gradients of 3 taps.
struct WeightsAdjoint {
  static constexpr int kFrom = 6, kTo = 3;
  static HWY_INLINE void apply(const Vector* p, Vector* g) {
    const Vector sum1 = hn::Add(p[1], p[2]), sum2 = hn::Add(p[3], p[4]);
    g[0] = fma(0.25F, p[0], fma(-1.0F / 6, sum1, scaled(1.0F / 24, sum2)));
    g[1] = fma(1.0F / 6, hn::Sub(p[2], p[1]), scaled(1.0F / 12, hn::Sub(p[3], p[4])));
    g[2] = fma(1.0F / 6, hn::Sub(sum2, sum1), p[5]);
  }
};

/// y = T x T^t for T's matrix: x(i, j) reads a vector, y(i, j, v) takes one.
template <class T, class Read, class Write>
HWY_INLINE void transform(Read x, Write y) {
  Vector half[T::kTo][T::kFrom], out[T::kTo];
#pragma GCC unroll 6
  for (int j = 0; j < T::kFrom; ++j) {
    Vector column[T::kFrom];
#pragma GCC unroll 6
    for (int i = 0; i < T::kFrom; ++i) column[i] = x(i, j);
    T::apply(column, out);
#pragma GCC unroll 6
    for (int i = 0; i < T::kTo; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < T::kTo; ++i) {
    T::apply(half[i], out);
#pragma GCC unroll 6
    for (int j = 0; j < T::kTo; ++j) y(i, j, out[j]);
  }
}

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(FloatTag())); }
/// Columns of a register tile.
HWY_INLINE int64_t panel() { return panel_columns<float>(); }

/// A product of register tiles for any number of rows, a multiple of 4 (kRows / 3 of them at the
/// least).
template <int Vectors, Order kOrder>
HWY_INLINE void multiply_rows(int64_t rows, Product<float> p) {
  constexpr int64_t kThird = kRows / 3;
  const auto advance = [&](int64_t by) {
    p.a += by * (kOrder == Order::by_row ? p.a_step : 1);
    p.c += by * p.c_step;
    p.next = nullptr;
    rows -= by;
  };
  while (rows >= kRows) {
    multiply<kRows, Vectors, kOrder>(p);
    advance(kRows);
  }
  while (rows >= 2 * kThird) {
    multiply<2 * kThird, Vectors, kOrder>(p);
    advance(2 * kThird);
  }
  if (rows > 0) multiply<kThird, Vectors, kOrder>(p);
}

/// The same for a panel of which `cols` columns are wanted.
template <Order kOrder>
HWY_INLINE void multiply_panel(int64_t rows, int64_t cols, const Product<float>& p) {
  if (cols > lanes()) return multiply_rows<kVectors, kOrder>(rows, p);
  multiply_rows<1, kOrder>(rows, p);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
