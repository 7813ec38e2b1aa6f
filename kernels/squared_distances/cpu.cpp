// Rows of b are transposed to panels of 32 columns, so that a vector holds one depth of many rows
// of b; each element of y is then one chain of multiply-adds in ascending depth, whatever the
// width of a vector. Four rows of a share the vectors of b: eight chains run side by side.
#include "kernels/squared_distances/cpu.h"

#include <algorithm>

#include "engine/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/squared_distances/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kPanel = 32;  // columns of y
constexpr int kRows = 4;        // rows of y in registers
constexpr int64_t kBlock = 64;  // rows of y of one piece of work

/// panel[d, j] = b[j, d] for the first `columns` rows of b; 0 beyond.
template <class T, class A = Acc<T>>
void pack_panel(const T* b, int64_t depth, int64_t columns, A* panel) {
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t j = 0; j < kPanel; ++j) {
      panel[d * kPanel + j] = j < columns ? static_cast<A>(b[j * depth + d]) : A(0);
    }
  }
}

/// kRows rows of y, `columns` <= kPanel of each, of which `count` exist.
template <class T, class A = Acc<T>>
HWY_INLINE void distance_rows(const T* const* a, int64_t depth, const A* panel, int64_t columns,
                              int count, A* y, int64_t stride) {
  const hn::CappedTag<A, kPanel / 2> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < columns; j += 2 * lanes) {
    V sums[kRows][2];
    for (auto& row : sums) row[0] = row[1] = hn::Zero(d);
    for (int64_t k = 0; k < depth; ++k) {
      const V low = hn::LoadU(d, panel + k * kPanel + j);
      const V high = hn::LoadU(d, panel + k * kPanel + j + lanes);
      for (int r = 0; r < kRows; ++r) {
        const V x = hn::Set(d, static_cast<A>(a[r][k]));
        const V u = hn::Sub(x, low), v = hn::Sub(x, high);
        sums[r][0] = hn::MulAdd(u, u, sums[r][0]);
        sums[r][1] = hn::MulAdd(v, v, sums[r][1]);
      }
    }
    for (int r = 0; r < count; ++r) {
      A both[kPanel];
      hn::StoreU(sums[r][0], d, both);
      hn::StoreU(sums[r][1], d, both + lanes);
      std::copy_n(both, std::min(2 * lanes, columns - j), y + r * stride + j);
    }
  }
}

template <class T, class A = Acc<T>>
void run(Launch& launch, int64_t m, int64_t n, int64_t depth, const T* a, const T* b, A* y) {
  const int64_t panels = (n + kPanel - 1) / kPanel, blocks = (m + kBlock - 1) / kBlock;
  A* packed = launch.scratch<A>(panels * kPanel * depth);
  parallel_for(panels, [&](int64_t p) {
    pack_panel(b + p * kPanel * depth, depth, std::min(kPanel, n - p * kPanel),
               packed + p * kPanel * depth);
  });
  parallel_for(panels * blocks, [&](int64_t task) {
    const int64_t p = task / blocks, first = task % blocks * kBlock;
    for (int64_t i = first; i < std::min(first + kBlock, m); i += kRows) {
      const T* rows[kRows];
      for (int r = 0; r < kRows; ++r) rows[r] = a + std::min(i + r, m - 1) * depth;
      distance_rows(rows, depth, packed + p * kPanel * depth, std::min(kPanel, n - p * kPanel),
                    static_cast<int>(std::min<int64_t>(kRows, m - i)), y + i * n + p * kPanel, n);
    }
  });
}

void run_f32(Launch& l, int64_t m, int64_t n, int64_t depth, const float* a, const float* b,
             float* y) {
  run(l, m, n, depth, a, b, y);
}
void run_bf16(Launch& l, int64_t m, int64_t n, int64_t depth, const BFloat16* a, const BFloat16* b,
              float* y) {
  run(l, m, n, depth, a, b, y);
}
void run_f64(Launch& l, int64_t m, int64_t n, int64_t depth, const double* a, const double* b,
             double* y) {
  run(l, m, n, depth, a, b, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(run_f32);
HWY_EXPORT(run_bf16);
HWY_EXPORT(run_f64);

void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const float* a,
                           const float* b, float* y) {
  HWY_DYNAMIC_DISPATCH(run_f32)(launch, m, n, depth, a, b, y);
}
void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const BFloat16* a,
                           const BFloat16* b, float* y) {
  HWY_DYNAMIC_DISPATCH(run_bf16)(launch, m, n, depth, a, b, y);
}
void squared_distances_cpu(Launch& launch, int64_t m, int64_t n, int64_t depth, const double* a,
                           const double* b, double* y) {
  HWY_DYNAMIC_DISPATCH(run_f64)(launch, m, n, depth, a, b, y);
}

}  // namespace ito
#endif
