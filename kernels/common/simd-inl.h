// Per-target SIMD helpers on Highway. Included by cpu.cpp files after hwy/foreach_target.h, once
// for every target; hence the guard that toggles.
#if defined(ITO_KERNELS_COMMON_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_COMMON_SIMD_INL_H_
#undef ITO_KERNELS_COMMON_SIMD_INL_H_
#else
#define ITO_KERNELS_COMMON_SIMD_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "engine/core/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Values of T are computed in float (f32, bf16) or double.
template <class T>
using Tag = hn::ScalableTag<Acc<T>>;

// Loads and stores of whole vectors; bf16 is widened to float and rounded to nearest even.

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* p) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const hn::Rebind<uint16_t, D> d16;
    const hn::RebindToUnsigned<D> d32;
    const auto half = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p));
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, half)));
  } else {
    return hn::LoadU(d, p);
  }
}

template <class D, class V, class T>
HWY_INLINE void store(D d, V v, T* p) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const hn::Rebind<uint16_t, D> d16;
    const hn::RebindToUnsigned<D> d32;
    const auto u = hn::BitCast(d32, v);
    const auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(d32, 1));
    const auto rounded = hn::Add(u, hn::Add(hn::Set(d32, 0x7fff), odd));
    const auto quiet = hn::Or(u, hn::Set(d32, 0x400000));  // NaN must not round to infinity
    const auto nan = hn::RebindMask(d32, hn::IsNaN(v));
    const auto bits = hn::ShiftRight<16>(hn::IfThenElse(nan, quiet, rounded));
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<decltype(d32)>(), bits)), d16,
               reinterpret_cast<uint16_t*>(p));
  } else {
    hn::StoreU(v, d, p);
  }
}

/// store(d, a, p) and store(d, b, p + Lanes(d)), cheaper for bf16: half of the work is done with
/// 16 bits a value.
template <class D, class V, class T>
HWY_INLINE void store_two(D d, V a, V b, T* p) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const hn::Repartition<uint16_t, D> d16;
    const auto u = hn::BitCast(d16, a), v = hn::BitCast(d16, b);
    const auto high = hn::ConcatOdd(d16, v, u), low = hn::ConcatEven(d16, v, u);
    const auto one = hn::Set(d16, 1);
    // Up where low is more than a half of high's lowest bit, or half of it and high is odd.
    const auto up = hn::Gt(hn::Or(low, hn::And(high, one)), hn::Set(d16, 0x8000));
    const auto rounded = hn::Sub(high, hn::VecFromMask(d16, up));
    const auto quiet = hn::Or(high, hn::Set(d16, 0x40));  // NaN must not round to infinity
    const auto magnitude = hn::Add(hn::Add(high, high), hn::Min(low, one));
    const auto nan = hn::Gt(magnitude, hn::Set(d16, 0xff00));
    hn::StoreU(hn::IfThenElse(nan, quiet, rounded), d16, reinterpret_cast<uint16_t*>(p));
  } else {
    hn::StoreU(a, d, p);
    hn::StoreU(b, d, p + hn::Lanes(d));
  }
}

// The same for the first n < Lanes(d) elements; absent lanes read as zero.

template <class D, class T>
HWY_INLINE hn::Vec<D> load_n(D d, const T* p, size_t n) {
  T buffer[HWY_MAX_BYTES / sizeof(T)] = {};
  for (size_t i = 0; i < n; ++i) buffer[i] = p[i];
  return load(d, buffer);
}

template <class D, class V, class T>
HWY_INLINE void store_n(D d, V v, T* p, size_t n) {
  T buffer[HWY_MAX_BYTES / sizeof(T)];
  store(d, v, buffer);
  for (size_t i = 0; i < n; ++i) p[i] = buffer[i];
}

/// y[0, n) = x[0, n) in the accumulation type.
template <class T, class A = Acc<T>>
HWY_INLINE void widen(const T* x, int64_t n, A* y) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(load(d, x + i), d, y + i);
  for (; i < n; ++i) y[i] = static_cast<A>(x[i]);
}

/// y[i] = f(d, x1[i], x2[i], ...) over n elements; every pointer has the same dtype T.
template <class T, class F, class... Inputs>
HWY_INLINE void map(T* y, size_t n, F f, const Inputs*... x) {
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    store_two(d, f(d, load(d, x + i)...), f(d, load(d, x + i + lanes)...), y + i);
  }
  for (; i + lanes <= n; i += lanes) store(d, f(d, load(d, x + i)...), y + i);
  if (i < n) store_n(d, f(d, load_n(d, x + i, n - i)...), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
