#include "kernels/softmax/cpu.h"

#include <algorithm>
#include <limits>

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"
#include "kernels/common/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

/// Highest value of the row. A NaN may be lost here; the sum of exponentials finds it again.
template <class T>
HWY_INLINE Acc<T> row_maximum(const T* x, size_t n) {
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  auto top = hn::Set(d, -std::numeric_limits<Acc<T>>::infinity());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) top = hn::Max(top, load(d, x + i));
  Acc<T> highest = hn::GetLane(hn::MaxOfLanes(d, top));
  for (; i < n; ++i) highest = std::max(highest, static_cast<Acc<T>>(x[i]));
  return highest;
}

/// e = exp(x - shift) for the whole row; returns its sum.
template <class T, class A = Acc<T>>
HWY_INLINE A exponentials(const T* x, size_t n, A shift, A* e) {
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto s = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = exp_of_negative(d, hn::Sub(s, load(d, x + i)));
    sum = hn::Add(sum, v);
    hn::StoreU(v, d, e + i);
  }
  if (i < n) {
    const auto v = exp_of_negative(d, hn::Sub(s, load_n(d, x + i, n - i)));
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, n - i), v));
    store_n(d, v, e + i, n - i);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// e: room for n exponentials; may be y itself.
template <class T, class A = Acc<T>>
HWY_INLINE void softmax_row(const T* x, T* y, size_t n, A* e) {
  const A highest = row_maximum(x, n);
  const A shift = highest == -std::numeric_limits<A>::infinity() ? A(0) : highest;
  const A sum = exponentials(x, n, shift, e);
  const A scale = sum == 0 ? A(0) : 1 / sum;
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) store(d, hn::Mul(hn::LoadU(d, e + i), factor), y + i);
  for (; i < n; ++i) y[i] = static_cast<T>(e[i] * scale);
}

template <class T>
void run(Launch& launch, int64_t rows, int64_t n, const T* x, T* y) {
  using A = Acc<T>;
  constexpr bool kInPlace = std::is_same_v<T, A>;
  const int64_t grain = std::max<int64_t>((1 << 13) / n, 1);
  A* buffers = kInPlace ? nullptr : launch.scratch<A>((rows + grain - 1) / grain * n);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      A* e = nullptr;
      if constexpr (kInPlace) e = y + r * n;
      if constexpr (!kInPlace) e = buffers + begin / grain * n;
      softmax_row(x + r * n, y + r * n, static_cast<size_t>(n), e);
    }
  });
}

void run_f32(Launch& l, int64_t rows, int64_t n, const float* x, float* y) {
  run(l, rows, n, x, y);
}
void run_bf16(Launch& l, int64_t rows, int64_t n, const BFloat16* x, BFloat16* y) {
  run(l, rows, n, x, y);
}
void run_f64(Launch& l, int64_t rows, int64_t n, const double* x, double* y) {
  run(l, rows, n, x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);
HWY_EXPORT(run_f64);

void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(run_f32)(launch, rows, n, x, y);
}
void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const BFloat16* x, BFloat16* y) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(launch, rows, n, x, y);
}
void softmax_cpu(Launch& launch, int64_t rows, int64_t n, const double* x, double* y) {
  HWY_DYNAMIC_DISPATCH(run_f64)(launch, rows, n, x, y);
}

}  // namespace ito
#endif
