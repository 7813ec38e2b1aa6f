// How the operands of our matrix products are packed, for every SIMD target.
#if defined(ITO_KERNELS_COMMON_OPERAND_FORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_COMMON_OPERAND_FORMS_INL_H_
#undef ITO_KERNELS_COMMON_OPERAND_FORMS_INL_H_
#else
#define ITO_KERNELS_COMMON_OPERAND_FORMS_INL_H_
#endif

#include <cstddef>
#include <cstring>

#include "kernels/common/bf16_dot.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

/// to[i] = bf16 low[i] and high[i], or low[i] and zero if high is null: what VDPBF16PS multiplies.
inline void make_pairs(const BFloat16* low, const BFloat16* high, int64_t count, uint32_t* to) {
  int64_t i = 0;
  const auto whole = [&](auto d) HWY_ATTR {
    const hn::Rebind<uint16_t, decltype(d)> half;
    const auto widened = [&](const BFloat16* x) HWY_ATTR {
      return hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const uint16_t*>(x + i)));
    };
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    for (; i + lanes <= count; i += lanes) {
      const auto upper = high == nullptr ? hn::Zero(d) : hn::ShiftLeft<16>(widened(high));
      hn::StoreU(hn::Or(widened(low), upper), d, to + i);
    }
  };
  whole(hn::ScalableTag<uint32_t>());
  whole(hn::FixedTag<uint32_t, 4>());
  whole(hn::FixedTag<uint32_t, 1>());
}

/// Operands as they are packed: values in the accumulation type one by one, or pairs of bf16 along
/// the depth, padded with zero. A step is one of these.
template <class T, class A = Acc<T>>
struct Values {
  using Step = A;
  static constexpr int64_t kPerStep = 1;

  /// Rows of A from a row-major view; from is a row's part.
  static void copy_row(const T* from, int64_t depth, A* to) { widen(from, depth, to); }
  /// Step s of `count` elements whose values along the depth are `step` apart.
  static void gather(const T* from, int64_t step, int64_t, int64_t s, int64_t count, A* to) {
    widen(from + s * step, count, to);
  }
};

struct Pairs {
  using Step = Bf16Pair;
  static constexpr int64_t kPerStep = 2;

  static void copy_row(const BFloat16* from, int64_t depth, Bf16Pair* to) {
    if (depth % 2 != 0) to[depth / 2] = 0;
    std::memcpy(to, from, static_cast<size_t>(depth) * sizeof(BFloat16));
  }
  static void gather(const BFloat16* from, int64_t step, int64_t depth, int64_t s, int64_t count,
                     Bf16Pair* to) {
    const BFloat16 *low = from + 2 * s * step, *high = low + step;
    make_pairs(low, 2 * s + 1 == depth ? nullptr : high, count, to);
  }
};

/// to[k * to_step + c] = word k of row c, for c < count and k < words of 32 bits. Rows need no
/// alignment.
template <class Word>
void transpose_words(const std::byte* from, int64_t row_bytes, int64_t count, int64_t words,
                     Word* to, int64_t to_step) {
  static_assert(sizeof(Word) == 4);
  const hn::FixedTag<uint32_t, 4> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  const auto row = [&](int64_t c) { return from + c * row_bytes; };
  const auto square = [&](int64_t c, int64_t k) HWY_ATTR {
    const auto word = [&](int64_t i) HWY_ATTR {
      return hn::LoadU(d, reinterpret_cast<const uint32_t*>(row(c + i)) + k);
    };
    const auto a = word(0), b = word(1), e = word(2), f = word(3);
    const auto low_ab = hn::BitCast(wide, hn::InterleaveLower(d, a, b));
    const auto low_ef = hn::BitCast(wide, hn::InterleaveLower(d, e, f));
    const auto high_ab = hn::BitCast(wide, hn::InterleaveUpper(d, a, b));
    const auto high_ef = hn::BitCast(wide, hn::InterleaveUpper(d, e, f));
    auto* y = reinterpret_cast<uint32_t*>(to) + k * to_step + c;
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low_ab, low_ef)), d, y);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low_ab, low_ef)), d, y + to_step);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high_ab, high_ef)), d, y + 2 * to_step);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high_ab, high_ef)), d, y + 3 * to_step);
  };
  const auto rest = [&](int64_t c, int64_t k) {
    for (; k < words; ++k) std::memcpy(to + k * to_step + c, row(c) + 4 * k, 4);
  };
  int64_t c = 0;
  for (; c + 4 <= count; c += 4) {
    int64_t k = 0;
    for (; k + 4 <= words; k += 4) square(c, k);
    for (int64_t i = 0; i < 4; ++i) rest(c + i, k);
  }
  for (; c < count; ++c) rest(c, 0);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
