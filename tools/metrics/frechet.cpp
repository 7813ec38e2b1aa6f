#include "tools/metrics/frechet.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/binary/op.h"
#include "kernels/matmul/op.h"
#include "tools/metrics/features.h"
#include "tools/metrics/symmetric_eigen.h"

namespace ito::metrics {
namespace {

constexpr int64_t kBlock = 1024;  // rows of features in fp64 at a time

/// The eigenvalues of a covariance; what rounding made of zero is zero.
void remove_rounding(std::vector<double>& values) {
  if (values.empty()) return;
  const double floor = static_cast<double>(values.size()) * std::numeric_limits<double>::epsilon() *
                       std::max(values.back(), 0.0);
  for (double& v : values) {
    if (v < floor) v = 0;
  }
}

/// Tr (S1 S2)^(1/2). With S1 = V^T L V and B = L^(1/2) V, the matrix B S2 B^T is
/// S1^(1/2) S2 S1^(1/2) in the basis of the eigenvectors.
double trace_of_root(const std::vector<double>& s1, const std::vector<double>& s2, int64_t d) {
  SymmetricEigen first = symmetric_eigen(s1, d, Eigenvectors::yes);
  remove_rounding(first.values);
  Tensor b = Tensor::from(first.vectors, {d, d});
  for (int64_t i = 0; i < d; ++i) {
    const double root = std::sqrt(first.values[static_cast<size_t>(i)]);
    for (double& x : b.span<double>().subspan(static_cast<size_t>(i * d), static_cast<size_t>(d))) {
      x *= root;
    }
  }
  const Tensor product =
      ops::matmul(ops::matmul(b, Tensor::from(s2, {d, d})), b, {.b = ops::Transpose::yes});
  std::vector<double> symmetric = product.to_vector<double>();
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      double& lower = symmetric[static_cast<size_t>(i * d + j)];
      double& upper = symmetric[static_cast<size_t>(j * d + i)];
      lower = upper = 0.5 * (lower + upper);
    }
  }
  std::vector<double> values = symmetric_eigen(std::move(symmetric), d, Eigenvectors::no).values;
  remove_rounding(values);
  double sum = 0;
  for (const double v : values) sum += std::sqrt(v);
  return sum;
}

}  // namespace

FeatureStatistics statistics_of(const Tensor& features) {
  ITO_CHECK(features.rank() == 2 && features.size(0) >= 2, ShapeError,
            "a covariance needs features [N, d] with N >= 2", kv("features", features.shape()));
  const int64_t n = features.size(0), d = features.size(1);
  FeatureStatistics s{.count = n, .mean = std::vector<double>(static_cast<size_t>(d), 0.0)};
  for_row_blocks(features, kBlock, [&](const Tensor& rows, int64_t) {
    const auto values = rows.span<double>();
    for (size_t i = 0; i < values.size(); ++i) s.mean[i % s.mean.size()] += values[i];
  });
  for (double& m : s.mean) m /= static_cast<double>(n);
  Tensor sum = Tensor::zeros({d, d}, DType::f64);
  for_row_blocks(features, kBlock, [&](const Tensor& rows, int64_t) {
    const auto values = rows.span<double>();
    for (size_t i = 0; i < values.size(); ++i) values[i] -= s.mean[i % s.mean.size()];
    sum = sum + ops::matmul(rows, rows, {.a = ops::Transpose::yes});
  });
  s.covariance = sum.to_vector<double>();
  for (double& c : s.covariance) c /= static_cast<double>(n - 1);
  return s;
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  const int64_t d = a.dim();
  const auto entries = static_cast<size_t>(d * d);
  ITO_CHECK(b.dim() == d && a.covariance.size() == entries && b.covariance.size() == entries,
            ShapeError, "statistics of features of one size", kv("a", d), kv("b", b.dim()));
  double distance = 0;
  for (size_t i = 0; i < a.mean.size(); ++i) {
    distance += (a.mean[i] - b.mean[i]) * (a.mean[i] - b.mean[i]);
    const size_t diagonal = i * (a.mean.size() + 1);
    distance += a.covariance[diagonal] + b.covariance[diagonal];
  }
  return distance - 2 * trace_of_root(a.covariance, b.covariance, d);
}

}  // namespace ito::metrics
