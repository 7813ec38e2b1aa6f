#include "kernels/fir_resample/cpu.h"

#include <algorithm>

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fir_resample/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/fir_resample/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

template <class T>
void run(Launch& launch, const FirPlan& plan, const T* x, T* y) {
  using A = Acc<T>;
  const int64_t in_row = plan.width * plan.channels;
  const auto out_height = static_cast<int64_t>(plan.rows.size());
  const int64_t out_row = static_cast<int64_t>(plan.columns.size()) * plan.channels;
  const std::vector<A> taps(plan.taps.begin(), plan.taps.end());
  const int64_t rows = plan.samples * out_height;
  const int64_t grain = std::max<int64_t>((1 << 14) / std::max(out_row, in_row), 1);
  A* buffers = launch.scratch<A>((rows + grain - 1) / grain * in_row);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    A* buffer = buffers + begin / grain * in_row;
    for (int64_t r = begin; r < end; ++r) {
      const FirTerm& term = plan.rows[static_cast<size_t>(r % out_height)];
      const T* image = x + r / out_height * plan.height * in_row;
      const Terms<T, A> terms{image + term.first_pixel * in_row, in_row,
                              taps.data() + term.first_tap, plan.up, term.count};
      weighted_sum(terms, buffer, in_row);
      any_horizontal_pass(plan, taps.data(), buffer, y + r * out_row);
    }
  });
}

void run_f32(Launch& l, const FirPlan& plan, const float* x, float* y) { run(l, plan, x, y); }
void run_bf16(Launch& l, const FirPlan& plan, const BFloat16* x, BFloat16* y) {
  run(l, plan, x, y);
}
void run_f64(Launch& l, const FirPlan& plan, const double* x, double* y) { run(l, plan, x, y); }

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);
HWY_EXPORT(run_f64);

void fir_resample_cpu(Launch& launch, const FirPlan& plan, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(run_f32)(launch, plan, x, y);
}
void fir_resample_cpu(Launch& launch, const FirPlan& plan, const BFloat16* x, BFloat16* y) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(launch, plan, x, y);
}
void fir_resample_cpu(Launch& launch, const FirPlan& plan, const double* x, double* y) {
  HWY_DYNAMIC_DISPATCH(run_f64)(launch, plan, x, y);
}

}  // namespace ito
#endif
