// Per-target transcendental functions, on Highway's where these keep NaN and the ends of the range.
#if defined(ITO_KERNELS_COMMON_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#undef ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#else
#define ITO_KERNELS_COMMON_SIMD_MATH_INL_H_
#endif

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

/// 1 / (1 + exp(-x)). exp(-|x|) <= 1 cannot overflow, and neither branch cancels.
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1);
  const V e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  const V y = hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <class D, class V>
HWY_INLINE V silu(D d, V x) {
  return hn::Mul(x, sigmoid(d, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
