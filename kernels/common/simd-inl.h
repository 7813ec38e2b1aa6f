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

/// y[i] = f(d, x1[i], x2[i], ...) over n elements; every pointer has the same dtype T.
template <class T, class F, class... Inputs>
HWY_INLINE void map(T* y, size_t n, F f, const Inputs*... x) {
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) store(d, f(d, load(d, x + i)...), y + i);
  if (i < n) store_n(d, f(d, load_n(d, x + i, n - i)...), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
