// The eigen-solver against closed forms and its own definition, and what stands on it.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/core/parallel.h"
#include "engine/random/noise.h"
#include "tests/metrics/support.h"
#include "tools/metrics/frechet.h"
#include "tools/metrics/symmetric_eigen.h"

namespace ito::metrics {
namespace {

using test::wavy;
using Matrix = std::vector<double>;

Matrix random_symmetric(int64_t n, uint32_t stream) {
  Matrix a(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const double v =
          normal_at({5, Purpose::data, stream}, static_cast<uint32_t>(i), static_cast<uint32_t>(j));
      a[static_cast<size_t>(i * n + j)] = a[static_cast<size_t>(j * n + i)] = v;
    }
  }
  return a;
}

TEST(SymmetricEigen, SecondDifferences) {
  // 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)).
  for (const int64_t n : {1, 2, 3, 17, 130}) {
    Matrix a(static_cast<size_t>(n * n), 0.0);
    for (int64_t i = 0; i < n; ++i) {
      a[static_cast<size_t>(i * n + i)] = 2;
      if (i > 0) {
        a[static_cast<size_t>(i * n + i - 1)] = a[static_cast<size_t>((i - 1) * n + i)] = -1;
      }
    }
    const SymmetricEigen e = symmetric_eigen(a, n, Eigenvectors::no);
    EXPECT_TRUE(e.vectors.empty());
    for (int64_t k = 1; k <= n; ++k) {
      const double exact =
          2 - 2 * std::cos(static_cast<double>(k) * std::numbers::pi / static_cast<double>(n + 1));
      EXPECT_NEAR(e.values[static_cast<size_t>(k - 1)], exact, 1e-14 * static_cast<double>(n));
    }
  }
}

TEST(SymmetricEigen, RebuildsTheMatrix) {
  // V^T diag V = A and V V^T = 1, with several chunks of rows; the same bits on any threads.
  for (const int64_t n : {1, 2, 5, 63, 150}) {
    const Matrix a = random_symmetric(n, static_cast<uint32_t>(n));
    set_num_threads(1);
    const SymmetricEigen e = symmetric_eigen(a, n, Eigenvectors::yes);
    set_num_threads(3);
    const SymmetricEigen again = symmetric_eigen(a, n, Eigenvectors::yes);
    set_num_threads(0);
    EXPECT_EQ(e.vectors, again.vectors);
    EXPECT_EQ(e.values, symmetric_eigen(a, n, Eigenvectors::no).values);
    const auto v = [&](int64_t i, int64_t j) { return e.vectors[static_cast<size_t>(i * n + j)]; };
    double worst = 0, worst_product = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double entry = 0, product = 0;
        for (int64_t k = 0; k < n; ++k) {
          entry += e.values[static_cast<size_t>(k)] * v(k, i) * v(k, j);
          product += v(i, k) * v(j, k);
        }
        worst = std::max(worst, std::abs(entry - a[static_cast<size_t>(i * n + j)]));
        worst_product = std::max(worst_product, std::abs(product - (i == j ? 1 : 0)));
      }
    }
    // |A| is about 2 sqrt(n).
    EXPECT_LT(worst, 2e-14 * static_cast<double>(n)) << n;
    EXPECT_LT(worst_product, 1e-14 * static_cast<double>(n)) << n;
    EXPECT_TRUE(std::is_sorted(e.values.begin(), e.values.end()));
  }
}

TEST(SymmetricEigen, DegenerateMatrices) {
  const Matrix zero(25, 0.0), ones(25, 1.0);
  EXPECT_EQ(symmetric_eigen(zero, 5, Eigenvectors::yes).values, Matrix(5, 0.0));
  const Matrix values = symmetric_eigen(ones, 5, Eigenvectors::no).values;
  EXPECT_NEAR(values[4], 5, 1e-14);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(values[static_cast<size_t>(i)], 0, 1e-14);
  EXPECT_TRUE(symmetric_eigen({}, 0, Eigenvectors::yes).values.empty());
  EXPECT_THROW(symmetric_eigen({1, 2}, 2, Eigenvectors::no), ShapeError);
  EXPECT_THROW(symmetric_eigen({NAN}, 1, Eigenvectors::no), ValueError);
}

FeatureStatistics diagonal(const Matrix& mean, const Matrix& variances) {
  const size_t d = mean.size();
  FeatureStatistics s{.count = 10, .mean = mean, .covariance = Matrix(d * d, 0.0)};
  for (size_t i = 0; i < d; ++i) s.covariance[i * d + i] = variances[i];
  return s;
}

TEST(Frechet, DiagonalCovariances) {
  // Sum of (m1 - m2)^2 + (s1 - s2)^2, with variances of 0 among them.
  const auto a = diagonal({1, 0, -2, 0.5}, {4, 1e-6, 0, 9});
  const auto b = diagonal({0, 0, 1, 0.25}, {1, 1e-4, 0, 0});
  EXPECT_NEAR(frechet_distance(a, b), 1 + 9 + 0.0625 + 1 + 81e-6 + 9, 1e-12);
  EXPECT_NEAR(frechet_distance(b, a), frechet_distance(a, b), 1e-12);
  EXPECT_NEAR(frechet_distance(a, a), 0, 1e-12);
}

TEST(Frechet, CommutingCovariances) {
  // V^T diag(p) V and V^T diag(q) V: sum of (sqrt p - sqrt q)^2.
  constexpr int64_t n = 37;
  const Matrix v = symmetric_eigen(random_symmetric(n, 3), n, Eigenvectors::yes).vectors;
  FeatureStatistics a{.count = 5, .mean = Matrix(n, 0.0), .covariance = Matrix(n * n, 0.0)};
  FeatureStatistics b = a;
  double exact = 0;
  for (size_t k = 0; k < n; ++k) {
    const double p = 1 + std::sin(double(k)), q = 2 + std::cos(double(k * k));
    exact += std::pow(std::sqrt(p) - std::sqrt(q), 2);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        a.covariance[i * n + j] += p * v[k * n + i] * v[k * n + j];
        b.covariance[i * n + j] += q * v[k * n + i] * v[k * n + j];
      }
    }
  }
  EXPECT_NEAR(frechet_distance(a, b), exact, 1e-11);
}

TEST(Frechet, NonCommutingCovariancesAsNumpy) {
  // numpy: |mu|^2 + Tr(S1 + S2) - 2 sum sqrt(eigvals(S1 @ S2)), numpy 1.24.
  const auto a = statistics_of(wavy(40, 7, 0.5)), b = statistics_of(wavy(31, 7, 1.5));
  EXPECT_EQ(a.count, 40);
  EXPECT_NEAR(frechet_distance(a, b), 0.0777414222588062, 1e-12);
}

TEST(Frechet, FewerRowsThanFeatures) {
  // Singular covariances. Twice the features: mean and roots double.
  const Tensor x = wavy(9, 20, 0.5);
  Tensor twice = x.clone();
  for (double& v : twice.span<double>()) v *= 2;
  const auto a = statistics_of(x), b = statistics_of(twice);
  double exact = 0;
  for (size_t i = 0; i < 20; ++i) exact += a.mean[i] * a.mean[i] + a.covariance[i * 21];
  EXPECT_NEAR(frechet_distance(a, b), exact, 1e-9);
  EXPECT_THROW(frechet_distance(a, statistics_of(wavy(9, 19, 0.5))), ShapeError);
  EXPECT_THROW(statistics_of(wavy(1, 4, 0)), ShapeError);
}

TEST(Frechet, StatisticsOfManyRows) {
  // More rows than are taken at a time; f32 features far from 0.
  std::vector<float> values;
  for (int i = 0; i < 2500; ++i) {
    values.push_back(1000.0f + float(i % 5));
    values.push_back(i % 2 ? 1.0f : -1.0f);
  }
  const FeatureStatistics s = statistics_of(Tensor::from(values, {2500, 2}));
  EXPECT_NEAR(s.mean[0], 1002, 1e-9);
  EXPECT_NEAR(s.mean[1], 0, 1e-12);
  EXPECT_NEAR(s.covariance[0], 2 * 2500.0 / 2499, 1e-9);
  EXPECT_NEAR(s.covariance[3], 2500.0 / 2499, 1e-12);
  EXPECT_NEAR(s.covariance[1], 0, 1e-12);
}

}  // namespace
}  // namespace ito::metrics
