#include "kernels/binary/cpu.h"

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/binary/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

using ops::BinaryKind;

template <BinaryKind kKind, class D, class V>
HWY_INLINE V combine(D d, V a, V b) {
  if constexpr (kKind == BinaryKind::add) return hn::Add(a, b);
  if constexpr (kKind == BinaryKind::sub) return hn::Sub(a, b);
  if constexpr (kKind == BinaryKind::mul) return hn::Mul(a, b);
  if constexpr (kKind == BinaryKind::div) return hn::Div(a, b);
  if constexpr (kKind == BinaryKind::maximum) return hn::IfThenElse(hn::Ge(a, b), a, b);
  if constexpr (kKind == BinaryKind::minimum) return hn::IfThenElse(hn::Le(a, b), a, b);
  if constexpr (kKind == BinaryKind::greater_equal) {
    return hn::IfThenElseZero(hn::Ge(a, b), hn::Set(d, 1.0f));
  }
}

/// One row: each operand is a vector (stride 1) or one repeated value (stride 0).
template <BinaryKind kKind, class T>
void row(const T* a, bool a_repeats, const T* b, bool b_repeats, T* y, size_t n) {
  const Tag<T> d;
  const auto f = [](auto dd, auto u, auto v) HWY_ATTR { return combine<kKind>(dd, u, v); };
  if (a_repeats && b_repeats) {
    const auto va = hn::Set(d, static_cast<float>(*a)), vb = hn::Set(d, static_cast<float>(*b));
    map(y, n, [&](auto dd) HWY_ATTR { return f(dd, va, vb); });
  } else if (a_repeats) {
    const auto va = hn::Set(d, static_cast<float>(*a));
    map(
        y, n, [&](auto dd, auto v) HWY_ATTR { return f(dd, va, v); }, b);
  } else if (b_repeats) {
    const auto vb = hn::Set(d, static_cast<float>(*b));
    map(
        y, n, [&](auto dd, auto u) HWY_ATTR { return f(dd, u, vb); }, a);
  } else {
    map(y, n, f, a, b);
  }
}

template <BinaryKind kKind, class T>
void run_kind(const BroadcastPlan& plan, const T* a, const T* b, T* y) {
  constexpr int64_t kChunk = 1 << 14;  // elements: long enough to hide the hand-out of a chunk
  const int64_t inner = plan.inner(), rows = plan.rows();
  const bool ra = plan.stride_a[plan.rank - 1] == 0, rb = plan.stride_b[plan.rank - 1] == 0;
  if (rows == 1) {
    parallel_ranges(inner, kChunk, [&](int64_t begin, int64_t end) {
      row<kKind>(ra ? a : a + begin, ra, rb ? b : b + begin, rb, y + begin,
                 static_cast<size_t>(end - begin));
    });
    return;
  }
  parallel_ranges(rows, kChunk / inner, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const auto at = plan.offsets(r);
      row<kKind>(a + at.a, ra, b + at.b, rb, y + r * inner, static_cast<size_t>(inner));
    }
  });
}

template <class T>
void run(BinaryKind kind, const BroadcastPlan& plan, const T* a, const T* b, T* y) {
  switch (kind) {
    case BinaryKind::add:
      return run_kind<BinaryKind::add>(plan, a, b, y);
    case BinaryKind::sub:
      return run_kind<BinaryKind::sub>(plan, a, b, y);
    case BinaryKind::mul:
      return run_kind<BinaryKind::mul>(plan, a, b, y);
    case BinaryKind::div:
      return run_kind<BinaryKind::div>(plan, a, b, y);
    case BinaryKind::maximum:
      return run_kind<BinaryKind::maximum>(plan, a, b, y);
    case BinaryKind::minimum:
      return run_kind<BinaryKind::minimum>(plan, a, b, y);
    case BinaryKind::greater_equal:
      return run_kind<BinaryKind::greater_equal>(plan, a, b, y);
  }
}

void run_f32(BinaryKind kind, const BroadcastPlan& plan, const float* a, const float* b, float* y) {
  run(kind, plan, a, b, y);
}
void run_bf16(BinaryKind kind, const BroadcastPlan& plan, const BFloat16* a, const BFloat16* b,
              BFloat16* y) {
  run(kind, plan, a, b, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);

void binary_cpu(ops::BinaryKind kind, const BroadcastPlan& plan, const float* a, const float* b,
                float* y) {
  HWY_DYNAMIC_DISPATCH(run_f32)(kind, plan, a, b, y);
}
void binary_cpu(ops::BinaryKind kind, const BroadcastPlan& plan, const BFloat16* a,
                const BFloat16* b, BFloat16* y) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(kind, plan, a, b, y);
}

}  // namespace ito
#endif
