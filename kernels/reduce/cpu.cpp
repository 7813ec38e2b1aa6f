#include "kernels/reduce/cpu.h"

#include <algorithm>
#include <limits>

#include "engine/core/parallel.h"

namespace ito {
namespace {

using ops::ReduceKind;

constexpr int64_t kChunk =
    1 << 14;                // elements per piece of work; fixes the shape of the sum's tree
constexpr int kLanes = 16;  // independent partial results in a row: vectorises, and adds depth

template <ReduceKind kKind, class A>
A join(A a, A b) {
  if constexpr (kKind == ReduceKind::maximum) return b > a || b != b ? b : a;  // NaN wins
  return a + b;
}

template <ReduceKind kKind, class A>
constexpr A neutral() {
  return kKind == ReduceKind::maximum ? -std::numeric_limits<A>::infinity() : A(0);
}

/// Reduces n neighbouring values.
template <ReduceKind kKind, class T, class A>
A reduce_row(const T* x, int64_t n) {
  A lanes[kLanes];
  std::fill_n(lanes, kLanes, neutral<kKind, A>());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] = join<kKind>(lanes[j], static_cast<A>(x[i + j]));
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = join<kKind>(lanes[j], static_cast<A>(x[i]));
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) lanes[j] = join<kKind>(lanes[j], lanes[j + width]);
  }
  return lanes[0];
}

/// Reduces `count` rows of `inner` values into out[inner].
template <ReduceKind kKind, class T, class A>
void reduce_columns(const T* x, int64_t count, int64_t inner, A* out) {
  if (inner == 1) {
    *out = reduce_row<kKind, T, A>(x, count);
    return;
  }
  std::fill_n(out, inner, neutral<kKind, A>());
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = 0; i < inner; ++i) {
      out[i] = join<kKind>(out[i], static_cast<A>(x[r * inner + i]));
    }
  }
}

template <ReduceKind kKind, class T>
void run(Launch& launch, double scale, const T* x, T* y, int64_t outer, int64_t count,
         int64_t inner) {
  using A = Acc<T>;
  const int64_t rows = std::clamp<int64_t>(kChunk / inner, 1, std::max<int64_t>(count, 1));
  const int64_t pieces = std::max<int64_t>((count + rows - 1) / rows, 1);
  A* partial = launch.scratch<A>(outer * pieces * inner);
  parallel_ranges(
      outer * pieces, kChunk / std::max<int64_t>(rows * inner, 1), [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t o = task / pieces, first = task % pieces * rows;
          reduce_columns<kKind>(x + (o * count + first) * inner, std::min(rows, count - first),
                                inner, partial + task * inner);
        }
      });
  const A factor = static_cast<A>(scale);
  parallel_ranges(outer, kChunk / std::max<int64_t>(pieces * inner, 1),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t o = begin; o < end; ++o) {
                      A* total = partial + o * pieces * inner;
                      for (int64_t p = 1; p < pieces; ++p) {
                        for (int64_t i = 0; i < inner; ++i) {
                          total[i] = join<kKind>(total[i], total[p * inner + i]);
                        }
                      }
                      for (int64_t i = 0; i < inner; ++i) {
                        y[o * inner + i] = static_cast<T>(total[i] * factor);
                      }
                    }
                  });
}

}  // namespace

template <class T>
void reduce_cpu(Launch& launch, ReduceKind kind, const T* x, T* y, int64_t outer, int64_t count,
                int64_t inner) {
  if (outer * inner == 0) return;
  const double scale = kind == ReduceKind::mean ? 1.0 / static_cast<double>(count) : 1.0;
  if (kind == ReduceKind::maximum) {
    run<ReduceKind::maximum>(launch, 1.0, x, y, outer, count, inner);
  } else {
    run<ReduceKind::sum>(launch, scale, x, y, outer, count, inner);
  }
}

template void reduce_cpu(Launch&, ReduceKind, const float*, float*, int64_t, int64_t, int64_t);
template void reduce_cpu(Launch&, ReduceKind, const double*, double*, int64_t, int64_t, int64_t);
template void reduce_cpu(Launch&, ReduceKind, const BFloat16*, BFloat16*, int64_t, int64_t,
                         int64_t);

}  // namespace ito
