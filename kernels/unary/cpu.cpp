#include "kernels/unary/cpu.h"

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/unary/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"
#include "kernels/common/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

using ops::UnaryKind;

template <UnaryKind kKind, class D, class V>
HWY_INLINE V evaluate(D d, V x, V p0, V p1) {
  const V zero = hn::Zero(d), one = hn::Set(d, 1);
  if constexpr (kKind == UnaryKind::linear) return hn::MulAdd(p0, x, p1);
  if constexpr (kKind == UnaryKind::exp) return exp(d, x);
  if constexpr (kKind == UnaryKind::log) return log(d, x);
  if constexpr (kKind == UnaryKind::expm1) return hn::Expm1(d, x);
  if constexpr (kKind == UnaryKind::log1p) return log1p(d, x);
  if constexpr (kKind == UnaryKind::sqrt) return hn::Sqrt(x);
  if constexpr (kKind == UnaryKind::rsqrt) return hn::Div(one, hn::Sqrt(x));
  if constexpr (kKind == UnaryKind::reciprocal) return hn::Div(one, x);
  if constexpr (kKind == UnaryKind::square) return hn::Mul(x, x);
  if constexpr (kKind == UnaryKind::sin) return sin(d, x);
  if constexpr (kKind == UnaryKind::cos) return cos(d, x);
  if constexpr (kKind == UnaryKind::tanh) return hn::Tanh(d, x);
  if constexpr (kKind == UnaryKind::sigmoid) return sigmoid(d, x);
  if constexpr (kKind == UnaryKind::silu) return silu(d, x);
  if constexpr (kKind == UnaryKind::softplus) {
    return hn::Add(hn::Max(x, zero), hn::Log1p(d, exp(d, hn::Neg(hn::Abs(x)))));
  }
  if constexpr (kKind == UnaryKind::relu) return hn::IfThenElseZero(hn::Gt(x, zero), x);
  if constexpr (kKind == UnaryKind::leaky_relu) {
    return hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(p0, x));
  }
  if constexpr (kKind == UnaryKind::elu) {
    // Not less than zero: positive, zero, or NaN.
    return hn::IfThenElse(hn::Lt(x, zero), hn::Expm1(d, hn::Min(x, zero)), x);
  }
  if constexpr (kKind == UnaryKind::abs) return hn::Abs(x);
  if constexpr (kKind == UnaryKind::sign) {
    return hn::IfThenElse(hn::Gt(x, zero), one, hn::IfThenElseZero(hn::Lt(x, zero), hn::Neg(one)));
  }
  if constexpr (kKind == UnaryKind::step) return hn::IfThenElseZero(hn::Gt(x, zero), one);
}

template <UnaryKind kKind, class T>
void range(float p0, float p1, const T* x, T* y, size_t n) {
  const Tag<T> d;
  const auto v0 = hn::Set(d, p0), v1 = hn::Set(d, p1);
  map(
      y, n, [&](auto dd, auto v) HWY_ATTR { return evaluate<kKind>(dd, v, v0, v1); }, x);
}

template <class T>
using Range = void (*)(float, float, const T*, T*, size_t);

template <class T>
Range<T> range_of(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::linear:
      return range<UnaryKind::linear, T>;
    case UnaryKind::exp:
      return range<UnaryKind::exp, T>;
    case UnaryKind::log:
      return range<UnaryKind::log, T>;
    case UnaryKind::expm1:
      return range<UnaryKind::expm1, T>;
    case UnaryKind::log1p:
      return range<UnaryKind::log1p, T>;
    case UnaryKind::sqrt:
      return range<UnaryKind::sqrt, T>;
    case UnaryKind::rsqrt:
      return range<UnaryKind::rsqrt, T>;
    case UnaryKind::reciprocal:
      return range<UnaryKind::reciprocal, T>;
    case UnaryKind::square:
      return range<UnaryKind::square, T>;
    case UnaryKind::sin:
      return range<UnaryKind::sin, T>;
    case UnaryKind::cos:
      return range<UnaryKind::cos, T>;
    case UnaryKind::tanh:
      return range<UnaryKind::tanh, T>;
    case UnaryKind::sigmoid:
      return range<UnaryKind::sigmoid, T>;
    case UnaryKind::silu:
      return range<UnaryKind::silu, T>;
    case UnaryKind::softplus:
      return range<UnaryKind::softplus, T>;
    case UnaryKind::relu:
      return range<UnaryKind::relu, T>;
    case UnaryKind::leaky_relu:
      return range<UnaryKind::leaky_relu, T>;
    case UnaryKind::elu:
      return range<UnaryKind::elu, T>;
    case UnaryKind::abs:
      return range<UnaryKind::abs, T>;
    case UnaryKind::sign:
      return range<UnaryKind::sign, T>;
    case UnaryKind::power:
    case UnaryKind::step:
      break;
  }
  return range<UnaryKind::step, T>;
}

template <class T>
void run(UnaryKind kind, double p0, double p1, const T* x, T* y, int64_t n) {
  const Range<T> f = range_of<T>(kind);
  parallel_ranges(n, 1 << 14, [&](int64_t begin, int64_t end) {
    f(static_cast<float>(p0), static_cast<float>(p1), x + begin, y + begin,
      static_cast<size_t>(end - begin));
  });
}

void run_f32(UnaryKind kind, double p0, double p1, const float* x, float* y, int64_t n) {
  run(kind, p0, p1, x, y, n);
}
void run_bf16(UnaryKind kind, double p0, double p1, const BFloat16* x, BFloat16* y, int64_t n) {
  run(kind, p0, p1, x, y, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);

void unary_cpu(ops::UnaryKind kind, double p0, double p1, const float* x, float* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_f32)(kind, p0, p1, x, y, n);
}
void unary_cpu(ops::UnaryKind kind, double p0, double p1, const BFloat16* x, BFloat16* y,
               int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(kind, p0, p1, x, y, n);
}

}  // namespace ito
#endif
