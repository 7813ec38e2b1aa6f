// Per-target transcendental functions, on Highway's where these keep NaN and the ends of the range.
#if defined(ITO_KERNELS_COMMON_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#undef ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#else
#define ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#endif

#include <cmath>
#include <limits>

#include "hwy/contrib/math/math-inl.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

/// exp(x); NaN stays NaN, and above the range the result is infinite.
template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  const V top = hn::Set(d, 88.722839f);
  const V y = hn::Exp(d, hn::Min(x, top));
  const V inf = hn::Set(d, std::numeric_limits<hn::TFromD<D>>::infinity());
  return hn::IfThenElse(hn::IsNaN(x), x, hn::IfThenElse(hn::Gt(x, top), inf, y));
}

/// exp(-x) = fraction * power, a power of two, for floats from -89 (infinite) to 87, with a
/// relative error of at most 2 * 2^-24.
template <class V>
struct ExpParts {
  V fraction, power;
};

template <class D, class V>
HWY_INLINE ExpParts<V> exp_parts_of_negative(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Between 2^23 and 2^24 a float's lowest bit is 1: adding such a number rounds to an integer n,
  // the one nearest to -x / log 2, and leaves n + 127, the exponent of 2^n, in the lowest bits.
  const V shift = hn::Set(d, 12582912.0f + 127);
  const V shifted = hn::NegMulAdd(x, hn::Set(d, 1.44269504f), shift);
  const V power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  const V n = hn::Sub(shifted, shift);
  V r = hn::NegMulSub(n, hn::Set(d, 0.693145752f), x);  // -x - n log 2, in two parts
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6f), r);
  // 1 + r + r^2 q(r), of the smallest relative error (4e-9) to exp(r) where |r| <= log 2 / 2.
  const V r2 = hn::Mul(r, r);
  const V q01 = hn::MulAdd(hn::Set(d, 0.166665196f), r, hn::Set(d, 0.49999994f));
  const V q23 = hn::MulAdd(hn::Set(d, 0.00836889911f), r, hn::Set(d, 0.0416684039f));
  const V q = hn::MulAdd(hn::MulAdd(hn::Set(d, 0.00138142216f), r2, q23), r2, q01);
  const V one = hn::Set(d, 1);
  return {hn::MulAdd(hn::MulAdd(q, r, one), r, one), power};
}

/// exp(-x) for x >= -88 or NaN; 0 where a float would be below 2^-125.
template <class D, class V>
HWY_INLINE V exp_of_negative(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, hn::Neg(x)));
  } else {
    const auto [fraction, power] = exp_parts_of_negative(d, x);
    return hn::IfThenZeroElse(hn::Gt(x, hn::Set(d, 87)), hn::Mul(fraction, power));
  }
}

/// y, a logarithm of u, with its values off the positive numbers: minus infinity at 0, NaN below
/// and at NaN, infinity at infinity.
template <class D, class V>
HWY_INLINE V log_edges(D d, V u, V y) {
  using T = hn::TFromD<D>;
  const V zero = hn::Zero(d), inf = hn::Set(d, std::numeric_limits<T>::infinity());
  const V nan = hn::Set(d, std::numeric_limits<T>::quiet_NaN());
  const V at_most_zero = hn::IfThenElse(hn::Eq(u, zero), hn::Neg(inf), nan);
  return hn::IfThenElse(hn::Gt(u, zero), hn::IfThenElse(hn::Eq(u, inf), inf, y), at_most_zero);
}

template <class D, class V>
HWY_INLINE V log(D d, V x) {
  return log_edges(d, x, hn::Log(d, x));
}

template <class D, class V>
HWY_INLINE V log1p(D d, V x) {
  return log_edges(d, hn::Add(x, hn::Set(d, 1)), hn::Log1p(d, x));
}

/// Highway's sine and cosine lose their accuracy beyond about 39000; there, and for infinity and
/// NaN, the C library computes lane by lane.
template <class D, class V, class Vector, class Scalar>
HWY_INLINE V reduced(D d, V x, Vector vector, Scalar scalar) {
  using T = hn::TFromD<D>;
  if (HWY_LIKELY(hn::AllTrue(d, hn::Lt(hn::Abs(x), hn::Set(d, 30000))))) return vector(d, x);
  T lanes[HWY_MAX_BYTES / sizeof(T)];
  hn::StoreU(x, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = scalar(lanes[i]);
  return hn::LoadU(d, lanes);
}

template <class D, class V>
HWY_INLINE V sin(D d, V x) {
  using T = hn::TFromD<D>;
  return reduced(
      d, x, [](D dd, V v) HWY_ATTR { return hn::Sin(dd, v); }, [](T v) { return std::sin(v); });
}

template <class D, class V>
HWY_INLINE V cos(D d, V x) {
  using T = hn::TFromD<D>;
  return reduced(
      d, x, [](D dd, V v) HWY_ATTR { return hn::Cos(dd, v); }, [](T v) { return std::cos(v); });
}

/// 1 + exp(-x) for x that is not NaN; infinite below -88.4 (doubles: below -706).
template <class D, class V>
HWY_INLINE V one_plus_exp_of_negative(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, 1);
  if constexpr (sizeof(T) == 8) {
    const V inf = hn::Set(d, std::numeric_limits<T>::infinity());
    const V e = hn::Exp(d, hn::Neg(x));
    return hn::IfThenElse(hn::Lt(x, hn::Set(d, -706)), inf, hn::Add(e, one));
  } else {
    const V inside = hn::Min(hn::Max(x, hn::Set(d, -89)), hn::Set(d, 87));
    const auto [fraction, power] = exp_parts_of_negative(d, inside);
    return hn::MulAdd(fraction, power, one);
  }
}

/// 1 / (1 + exp(-x)) for x that is not NaN; floats have a relative error of at most 4 * 2^-24: two
/// from the exponential, one from the sum, one from the quotient.
template <class D, class V>
HWY_INLINE V sigmoid_of_number(D d, V x) {
  return hn::Div(hn::Set(d, 1), one_plus_exp_of_negative(d, x));
}

/// 1 / (1 + exp(-x)).
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, sigmoid_of_number(d, x));
}

/// x / (1 + exp(-x)), as accurate; the quotient keeps NaN.
template <class D, class V>
HWY_INLINE V silu(D d, V x) {
  return hn::Div(x, one_plus_exp_of_negative(d, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
