// The two passes of fir_resample for one row of the output: rows of the input are weighted into a
// row of intermediate values, which the horizontal pass turns into the row. Included by cpu.cpp
// files after hwy/foreach_target.h, once for every target; hence the guard that toggles.
#if defined(ITO_KERNELS_FIR_RESAMPLE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ITO_KERNELS_FIR_RESAMPLE_ROWS_INL_H_
#undef ITO_KERNELS_FIR_RESAMPLE_ROWS_INL_H_
#else
#define ITO_KERNELS_FIR_RESAMPLE_ROWS_INL_H_
#endif

#include "kernels/common/simd-inl.h"
#include "kernels/fir_resample/cpu.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kFewChannels = 8;  // below, a pixel does not fill a vector

/// The weights of one output sample, and its newest input; older ones lie `stride` apart before it.
template <class In, class A>
struct Terms {
  const In* newest;
  int64_t stride;
  const A* taps;
  int up, count;
};

/// Vector of sum_j taps[j up] * newest[at - j stride]; kCount = 0: any number of terms.
template <int kCount, class D, class Load, class In, class A>
HWY_INLINE hn::Vec<D> weighted(D d, Load load_at, const Terms<In, A>& t) {
  auto sum = hn::Zero(d);
  const int count = kCount != 0 ? kCount : t.count;
  for (int j = 0; j < count; ++j) {
    sum = hn::MulAdd(load_at(t.newest - j * t.stride), hn::Set(d, t.taps[j * t.up]), sum);
  }
  return sum;
}

/// out[i] = sum_j taps[j up] * newest[i - j stride] for n neighbours.
template <int kCount, class In, class A, class Out>
HWY_INLINE void weighted_run(const Terms<In, A>& t, Out* out, int64_t n) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto whole = [&](const In* p) HWY_ATTR { return load(d, p + i); };
    store(d, weighted<kCount>(d, whole, t), out + i);
  }
  if (i < n) {
    const auto rest = static_cast<size_t>(n - i);
    const auto part = [&](const In* p) HWY_ATTR { return load_n(d, p + i, rest); };
    store_n(d, weighted<kCount>(d, part, t), out + i, rest);
  }
}

template <class In, class A, class Out>
HWY_INLINE void weighted_sum(const Terms<In, A>& t, Out* out, int64_t n) {
  if (t.count == 2) return weighted_run<2>(t, out, n);
  if (t.count == 4) return weighted_run<4>(t, out, n);
  weighted_run<0>(t, out, n);
}

/// One pixel of few channels, a number at a time. newest: the first channel of the newest pixel.
template <int kCount, class A, class Out>
HWY_INLINE void narrow_pixel(const Terms<A, A>& t, int64_t channels, Out* out) {
  const int count = kCount != 0 ? kCount : t.count;
  for (int64_t c = 0; c < channels; ++c) {
    A sum = 0;
    for (int j = 0; j < count; ++j) sum += t.taps[j * t.up] * t.newest[c - j * t.stride];
    out[c] = static_cast<Out>(sum);
  }
}

template <int64_t kChannels, class A, class Out>
HWY_INLINE void horizontal_pass(const FirPlan& plan, const A* taps, const A* row, Out* out) {
  const int64_t channels = kChannels != 0 ? kChannels : plan.channels;
  for (const FirTerm& term : plan.columns) {
    const Terms<A, A> terms{row + term.first_pixel * channels, channels, taps + term.first_tap,
                            plan.up, term.count};
    if (kChannels == 0 && channels >= kFewChannels) {
      weighted_sum(terms, out, channels);
    } else if (term.count == 2) {
      narrow_pixel<2>(terms, channels, out);
    } else if (term.count == 4) {
      narrow_pixel<4>(terms, channels, out);
    } else {
      narrow_pixel<0>(terms, channels, out);
    }
    out += channels;
  }
}

template <class A, class Out>
void any_horizontal_pass(const FirPlan& plan, const A* taps, const A* row, Out* out) {
  if (plan.channels == 1) return horizontal_pass<1>(plan, taps, row, out);
  if (plan.channels == 3) return horizontal_pass<3>(plan, taps, row, out);
  horizontal_pass<0>(plan, taps, row, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#endif
