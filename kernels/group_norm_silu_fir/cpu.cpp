// After the statistics, one pass over x in bands of rows: the rows of x that a band of the output
// needs are normalised into a buffer that stays in the cache and filtered from there, and after
// them the rows of x themselves. Rows at the seam of two bands are normalised twice.
#include "kernels/group_norm_silu_fir/cpu.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/scratch_slots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/group_norm_silu_fir/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/fir_resample/rows-inl.h"
#include "kernels/group_norm_silu/slabs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kBandElements = 1 << 16;  // of the input, about: 256 KiB in float

/// Rows [first, last) of the output, and the rows [from, to) of the input that they need.
struct RowBand {
  int64_t first, last, from, to;
};

inline RowBand row_band(const FirPlan& plan, int64_t first, int64_t last) {
  RowBand band{first, last, plan.height, 0};
  for (int64_t r = first; r < last; ++r) {
    const FirTerm& term = plan.rows[static_cast<size_t>(r)];
    if (term.count == 0) continue;
    band.from = std::min(band.from, term.first_pixel - term.count + 1);
    band.to = std::max(band.to, term.first_pixel + 1);
  }
  band.from = std::min(band.from, band.to);
  return band;
}

/// Bands of one sample. Their height depends on the shape of a sample alone.
inline std::vector<RowBand> row_bands(const FirPlan& plan) {
  const auto rows = static_cast<int64_t>(plan.rows.size());
  const int64_t image = plan.height * plan.width * plan.channels;
  const int64_t height = std::max<int64_t>(rows * kBandElements / image, 1);
  std::vector<RowBand> bands;
  for (int64_t r = 0; r < rows; r += height) {
    bands.push_back(row_band(plan, r, std::min(r + height, rows)));
  }
  return bands;
}

/// One row of the output from rows of the input, of which row `from` stands first.
template <class In, class A, class Out>
void filter_row(const FirPlan& plan, const A* taps, const FirTerm& term, const In* rows,
                int64_t from, A* between, Out* out) {
  const int64_t row = plan.width * plan.channels;
  const int64_t newest = term.count > 0 ? term.first_pixel - from : 0;
  const Terms<In, A> terms{rows + newest * row, row, taps + term.first_tap, plan.up, term.count};
  weighted_sum(terms, between, row);
  any_horizontal_pass(plan, taps, between, out);
}

template <class T>
void run_norm_fir(Launch& launch, const GroupNormParams& p, const FirPlan& plan,
                  const GroupNormFirForward<T>& t) {
  using A = Acc<T>;
  const int64_t row = plan.width * plan.channels;
  const int64_t out_row = static_cast<int64_t>(plan.columns.size()) * plan.channels;
  const auto out_height = static_cast<int64_t>(plan.rows.size());
  const std::vector<A> taps(plan.taps.begin(), plan.taps.end());
  const std::vector<RowBand> bands = row_bands(plan);
  const auto count = static_cast<int64_t>(bands.size());
  int64_t tallest = 0;
  for (const RowBand& band : bands) tallest = std::max(tallest, band.to - band.from);

  A* channels = launch.scratch<A>(p.samples * 4 * p.channels);
  measure(launch, p, GroupNormForward<T>{t.x, t.w, t.b, nullptr, nullptr, t.stats}, channels);
  ScratchSlots<A> slots(launch, p.samples * count, (tallest + 1) * row);
  parallel_for(p.samples * count, [&](int64_t task) {
    const int64_t n = task / count;
    const RowBand& band = bands[static_cast<size_t>(task % count)];
    const T* image = t.x + n * plan.height * row;
    slots.with([&](A* between) {
      A* normal = between + row;  // [to - from, W, C]
      apply_slab(p, image + band.from * row, normal, (band.to - band.from) * plan.width,
                 channels_at(channels, n, p.channels), static_cast<const A*>(nullptr));
      for (int64_t r = band.first; r < band.last; ++r) {
        const FirTerm& term = plan.rows[static_cast<size_t>(r)];
        const int64_t at = (n * out_height + r) * out_row;
        filter_row(plan, taps.data(), term, normal, band.from, between, t.y + at);
      }
      for (int64_t r = band.first; r < band.last; ++r) {
        const FirTerm& term = plan.rows[static_cast<size_t>(r)];
        const int64_t at = (n * out_height + r) * out_row;
        filter_row(plan, taps.data(), term, image, 0, between, t.resampled_x + at);
      }
    });
  });
}

template <class T>
void add_range(const T* from, T* to, int64_t n) {
  map(
      to, static_cast<size_t>(n), [](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); }, from,
      static_cast<const T*>(to));
}

void run_f32(Launch& l, const GroupNormParams& p, const FirPlan& plan,
             const GroupNormFirForward<float>& t) {
  run_norm_fir(l, p, plan, t);
}
void run_bf16(Launch& l, const GroupNormParams& p, const FirPlan& plan,
              const GroupNormFirForward<BFloat16>& t) {
  run_norm_fir(l, p, plan, t);
}
void run_f64(Launch& l, const GroupNormParams& p, const FirPlan& plan,
             const GroupNormFirForward<double>& t) {
  run_norm_fir(l, p, plan, t);
}
void add_f32(const float* from, float* to, int64_t n) { add_range(from, to, n); }
void add_bf16(const BFloat16* from, BFloat16* to, int64_t n) { add_range(from, to, n); }
void add_f64(const double* from, double* to, int64_t n) { add_range(from, to, n); }

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);
HWY_EXPORT(run_f64);
HWY_EXPORT(add_f32);
HWY_EXPORT(add_bf16);
HWY_EXPORT(add_f64);

void group_norm_silu_fir_cpu(Launch& l, const GroupNormParams& p, const FirPlan& plan,
                             const GroupNormFirForward<float>& t) {
  HWY_DYNAMIC_DISPATCH(run_f32)(l, p, plan, t);
}
void group_norm_silu_fir_cpu(Launch& l, const GroupNormParams& p, const FirPlan& plan,
                             const GroupNormFirForward<BFloat16>& t) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(l, p, plan, t);
}
void group_norm_silu_fir_cpu(Launch& l, const GroupNormParams& p, const FirPlan& plan,
                             const GroupNormFirForward<double>& t) {
  HWY_DYNAMIC_DISPATCH(run_f64)(l, p, plan, t);
}

constexpr int64_t kAddGrain = 1 << 14;

void add_to_cpu(int64_t count, const float* from, float* to) {
  parallel_ranges(count, kAddGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_f32)(from + begin, to + begin, end - begin);
  });
}
void add_to_cpu(int64_t count, const BFloat16* from, BFloat16* to) {
  parallel_ranges(count, kAddGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_bf16)(from + begin, to + begin, end - begin);
  });
}
void add_to_cpu(int64_t count, const double* from, double* to) {
  parallel_ranges(count, kAddGrain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_f64)(from + begin, to + begin, end - begin);
  });
}

}  // namespace ito
#endif
