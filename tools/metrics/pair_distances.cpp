#include "tools/metrics/pair_distances.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/squared_distances/op.h"
#include "tools/metrics/features.h"

namespace ito::metrics {
namespace {

constexpr int64_t kBlock = 1024;

void check_sets(const Tensor& x, const Tensor& y) {
  ITO_CHECK(x.rank() >= 1 && y.rank() >= 1 && x.size(0) >= 2 && y.size(0) >= 2 &&
                x.shape().numel_of(1, x.rank()) == y.shape().numel_of(1, y.rank()),
            ShapeError, "needs two sets of rows of one size, two rows or more each",
            kv("x", x.shape()), kv("y", y.shape()));
}

/// Sum of f(|x_i - y_j|^2) over all pairs.
template <class F>
double sum_over_pairs(const Tensor& x, const Tensor& y, F f) {
  double sum = 0;
  for_row_blocks(x, kBlock, [&](const Tensor& some_x, int64_t) {
    for_row_blocks(y, kBlock, [&](const Tensor& some_y, int64_t) {
      double part = 0;
      for (const double d : ops::squared_distances(some_x, some_y).span<double>()) part += f(d);
      sum += part;
    });
  });
  return sum;
}

/// E f between the sets, and within each over pairs of different rows. The distance of a row to
/// itself is 0 exactly, so its share can be taken off.
template <class F>
double between_minus_within(const Tensor& x, const Tensor& y, F f) {
  check_sets(x, y);
  const auto n = static_cast<double>(x.size(0)), m = static_cast<double>(y.size(0));
  const double between = sum_over_pairs(x, y, f) / (n * m);
  const double within_x = (sum_over_pairs(x, x, f) - n * f(0)) / (n * (n - 1));
  const double within_y = (sum_over_pairs(y, y, f) - m * f(0)) / (m * (m - 1));
  return 2 * between - within_x - within_y;
}

}  // namespace

double energy_distance(const Tensor& x, const Tensor& y) {
  return between_minus_within(x, y, [](double squared) { return std::sqrt(squared); });
}

double gaussian_mmd(const Tensor& x, const Tensor& y, double bandwidth) {
  ITO_CHECK(bandwidth > 0, ValueError, "a kernel needs a width", kv("bandwidth", bandwidth));
  const double scale = -0.5 / (bandwidth * bandwidth);
  return -between_minus_within(x, y, [scale](double squared) { return std::exp(scale * squared); });
}

double median_distance(const Tensor& x, int64_t most) {
  const Tensor rows = rows_f64(x, 0, std::min(most, x.size(0)));
  ITO_CHECK(rows.size(0) >= 2, ShapeError, "needs two rows", kv("x", x.shape()));
  const Tensor squared = ops::squared_distances(rows, rows);
  std::vector<double> list;
  const double* d = squared.data<double>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    for (int64_t j = 0; j < i; ++j) list.push_back(d[i * rows.size(0) + j]);
  }
  const auto middle = list.begin() + std::ssize(list) / 2;
  std::ranges::nth_element(list, middle);
  return std::sqrt(*middle);
}

}  // namespace ito::metrics
