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

/// The same for x that is below the end of the range or NaN, which Highway's Exp would turn into 0.
template <class D, class V>
HWY_INLINE V exp_below(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
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

/// 1 / (1 + exp(-x)) for x that is not NaN, which would give 1. exp(-|x|) <= 1 cannot overflow, and
/// neither branch cancels.
template <class D, class V>
HWY_INLINE V sigmoid_of_number(D d, V x) {
  const V one = hn::Set(d, 1);
  const V e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

/// 1 / (1 + exp(-x)).
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, sigmoid_of_number(d, x));
}

/// x / (1 + exp(-x)); the product keeps NaN.
template <class D, class V>
HWY_INLINE V silu(D d, V x) {
  return hn::Mul(x, sigmoid_of_number(d, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
