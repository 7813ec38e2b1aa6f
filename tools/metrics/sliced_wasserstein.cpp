#include "tools/metrics/sliced_wasserstein.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/parallel.h"
#include "engine/random/noise.h"
#include "kernels/matmul/op.h"
#include "tools/metrics/features.h"

namespace ito::metrics {
namespace {

/// Projections of all rows, by direction: [P][N], each sorted.
std::vector<std::vector<double>> sorted_projections(const Tensor& x, const Tensor& directions) {
  const auto count = static_cast<size_t>(directions.size(0));
  std::vector<std::vector<double>> lists(count);
  for_row_blocks(x, 1024, [&](const Tensor& rows, int64_t) {
    const Tensor products = ops::matmul(directions, rows, {.b = ops::Transpose::yes});  // [P, n]
    const auto values = products.span<double>();
    const size_t n = values.size() / count;
    for (size_t p = 0; p < count; ++p) {
      const auto part = values.subspan(p * n, n);
      lists[p].insert(lists[p].end(), part.begin(), part.end());
    }
  });
  parallel_for(static_cast<int64_t>(count),
               [&](int64_t p) { std::ranges::sort(lists[static_cast<size_t>(p)]); });
  return lists;
}

}  // namespace

Tensor random_directions(int64_t count, int64_t dim, uint64_t seed) {
  ITO_CHECK(count >= 1 && dim >= 1, ShapeError, "needs directions", kv("count", count),
            kv("dim", dim));
  Tensor directions = Tensor::empty({count, dim}, DType::f64);
  for (int64_t p = 0; p < count; ++p) {
    const auto row =
        directions.span<double>().subspan(static_cast<size_t>(p * dim), static_cast<size_t>(dim));
    fill_normal(row, {seed, Purpose::probe, 0}, static_cast<uint32_t>(p));
    double squares = 0;
    for (const double v : row) squares += v * v;
    for (double& v : row) v /= std::sqrt(squares);
  }
  return directions;
}

double squared_wasserstein(std::span<const double> a, std::span<const double> b) {
  ITO_CHECK(!a.empty() && !b.empty(), ShapeError, "needs numbers", kv("a", a.size()),
            kv("b", b.size()));
  // Both inverse distribution functions are constant between neighbouring multiples of 1 / |a| and
  // 1 / |b|. Positions count in units of 1 / (|a| |b|), which makes them integers.
  const uint64_t n = a.size(), m = b.size();
  double sum = 0;
  uint64_t at = 0;
  for (uint64_t i = 0, j = 0; i < n && j < m;) {
    const uint64_t end_a = (i + 1) * m, end_b = (j + 1) * n, end = std::min(end_a, end_b);
    const double difference = a[i] - b[j];
    sum += difference * difference * static_cast<double>(end - at);
    at = end;
    i += end_a == end;
    j += end_b == end;
  }
  return sum / (static_cast<double>(n) * static_cast<double>(m));
}

double sliced_wasserstein(const Tensor& x, const Tensor& y, const Tensor& directions) {
  const auto a = sorted_projections(x, directions), b = sorted_projections(y, directions);
  std::vector<double> squared(a.size());
  parallel_for(std::ssize(squared), [&](int64_t p) {
    const auto at = static_cast<size_t>(p);
    squared[at] = squared_wasserstein(a[at], b[at]);
  });
  double sum = 0;
  for (const double s : squared) sum += s;
  return std::sqrt(sum / static_cast<double>(squared.size()));
}

}  // namespace ito::metrics
