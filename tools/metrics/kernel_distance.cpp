#include "tools/metrics/kernel_distance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "engine/random/noise.h"
#include "kernels/matmul/op.h"
#include "tools/metrics/features.h"

namespace ito::metrics {
namespace {

/// Those rows of x in fp64, [list.size(), d].
Tensor gathered(const Tensor& x, std::span<const uint32_t> list) {
  const int64_t d = x.size(1);
  Tensor rows = Tensor::empty({static_cast<int64_t>(list.size()), d}, DType::f64);
  for (size_t i = 0; i < list.size(); ++i) {
    const Tensor row = rows_f64(x, list[i], 1);
    std::memcpy(rows.data<double>() + static_cast<int64_t>(i) * d, row.raw(), row.bytes());
  }
  return rows;
}

enum class Pairs { all, distinct };

/// The mean of the kernel over pairs of rows; of rows of one set, over i != j.
double mean_kernel(const Tensor& a, const Tensor& b, Pairs pairs) {
  const int64_t n = a.size(0), m = b.size(0);
  const Tensor products = ops::matmul(a, b, {.b = ops::Transpose::yes});
  const double* p = products.data<double>();
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < m; ++j) {
      if (pairs == Pairs::distinct && i == j) continue;
      const double base = p[i * m + j] / static_cast<double>(a.size(1)) + 1;
      sum += base * base * base;
    }
  }
  return sum / static_cast<double>(n * (pairs == Pairs::distinct ? m - 1 : m));
}

}  // namespace

KernelDistance kernel_distance(const Tensor& a, const Tensor& b, uint64_t seed, int64_t block) {
  ITO_CHECK(a.rank() == 2 && b.rank() == 2 && a.size(1) == b.size(1) && a.size(0) >= 2 &&
                b.size(0) >= 2 && block >= 2,
            ShapeError, "needs features [N, d] and [M, d] with N, M >= 2", kv("a", a.shape()),
            kv("b", b.shape()));
  const int64_t fewest = std::min(a.size(0), b.size(0));
  KernelDistance result{.blocks = std::max<int64_t>(1, fewest / block),
                        .block_size = std::min(block, fewest)};
  const auto size = static_cast<size_t>(result.block_size);
  const auto order_a = permutation(static_cast<uint32_t>(a.size(0)), {seed, Purpose::data, 0});
  const auto order_b = permutation(static_cast<uint32_t>(b.size(0)), {seed, Purpose::data, 1});
  std::vector<double> estimates;
  for (size_t i = 0; i < static_cast<size_t>(result.blocks); ++i) {
    const Tensor x = gathered(a, std::span(order_a).subspan(i * size, size));
    const Tensor y = gathered(b, std::span(order_b).subspan(i * size, size));
    estimates.push_back(mean_kernel(x, x, Pairs::distinct) + mean_kernel(y, y, Pairs::distinct) -
                        2 * mean_kernel(x, y, Pairs::all));
    result.mean += estimates.back() / static_cast<double>(result.blocks);
  }
  double squares = 0;
  for (const double e : estimates) squares += (e - result.mean) * (e - result.mean);
  if (result.blocks > 1) {
    result.standard_deviation = std::sqrt(squares / static_cast<double>(result.blocks - 1));
  }
  return result;
}

}  // namespace ito::metrics
