// Inception score, kernel distance, energy distance, MMD, sliced Wasserstein and memorisation
// against closed forms, and against values that NumPy 1.24 gave for the features of support.h.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/random/noise.h"
#include "tests/metrics/support.h"
#include "tools/metrics/inception_score.h"
#include "tools/metrics/kernel_distance.h"
#include "tools/metrics/memorization.h"
#include "tools/metrics/pair_distances.h"
#include "tools/metrics/sliced_wasserstein.h"

namespace ito::metrics {
namespace {

using test::wavy;

Tensor normals(int64_t n, int64_t d, uint32_t stream, double shift = 0) {
  Tensor x = Tensor::empty({n, d}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    const auto row = x.span<double>().subspan(static_cast<size_t>(i * d), static_cast<size_t>(d));
    fill_normal(row, {9, Purpose::data, stream}, static_cast<uint32_t>(i));
    for (double& v : row) v += shift;
  }
  return x;
}

TEST(InceptionScore, ClosedForms) {
  // Certain of one of four classes, each equally often: 4. Undecided: 1. One class alone: 1.
  std::vector<double> certain(8 * 4, 0.0);
  for (size_t i = 0; i < 8; ++i) certain[i * 4 + i % 4] = 1e4;
  EXPECT_NEAR(inception_score(Tensor::from(certain, {8, 4})), 4, 1e-12);
  EXPECT_NEAR(inception_score(Tensor::full({8, 4}, 7, DType::f32)), 1, 1e-12);
  std::vector<double> one(8 * 4, 0.0);
  for (size_t i = 0; i < 8; ++i) one[i * 4] = 800;
  EXPECT_NEAR(inception_score(Tensor::from(one, {8, 4})), 1, 1e-12);
  Tensor logits = wavy(23, 5, 2.0);
  for (double& v : logits.span<double>()) v *= 3;
  EXPECT_NEAR(inception_score(logits), 2.1236944615784124, 1e-12);
  EXPECT_THROW(inception_score(Tensor::zeros({0, 4}, DType::f32)), ShapeError);
}

TEST(KernelDistance, AsNumpy) {
  const KernelDistance k = kernel_distance(wavy(31, 7, 0.5), wavy(31, 7, 1.5));
  EXPECT_NEAR(k.mean, -0.14530706355968004, 1e-12);
  EXPECT_EQ(k.blocks, 1);
  EXPECT_EQ(k.block_size, 31);
  EXPECT_EQ(k.standard_deviation, 0);
  EXPECT_THROW(kernel_distance(wavy(31, 7, 0.5), wavy(31, 6, 0.5)), ShapeError);
}

TEST(KernelDistance, IsUnbiased) {
  // E k(X, X') for X, X' ~ N(m, 1) on the line: E (1 + X X')^3 = 1 + 3 m^2 + 3 (1 + m^2)^2 +
  // (m^3 + 3 m)^2; between m and 0 with moments (0, 1, 0): 1 + 3 (1 + m^2).
  constexpr double m = 1;
  const double between = 1 + 3 * (1 + m * m);
  const double exact = 1 + 3 * m * m + 3 * std::pow(1 + m * m, 2) + std::pow(m * m * m + 3 * m, 2) +
                       (1 + 3) - 2 * between;
  const auto k = kernel_distance(normals(20000, 1, 0, m), normals(20000, 1, 1), 0, 200);
  EXPECT_EQ(k.blocks, 100);
  const double error = k.standard_deviation / 10;
  EXPECT_NEAR(k.mean, exact, 4 * error);
  EXPECT_LT(error, exact / 20);
  const auto same = kernel_distance(normals(20000, 1, 2), normals(20000, 1, 1), 0, 200);
  EXPECT_NEAR(same.mean, 0, 4 * same.standard_deviation / 10);
}

TEST(PairDistances, AsNumpy) {
  const Tensor x = wavy(40, 7, 0.5), y = wavy(31, 7, 1.5);
  EXPECT_NEAR(energy_distance(x, y), -0.04334285446987174, 1e-13);
  EXPECT_NEAR(gaussian_mmd(x, y, 1.3), -0.015455947667389891, 1e-13);
  EXPECT_NEAR(median_distance(x), 2.676180801580673, 1e-13);
  EXPECT_THROW(energy_distance(x, wavy(31, 6, 1)), ShapeError);
  EXPECT_THROW(gaussian_mmd(x, y, 0), ValueError);
}

TEST(PairDistances, TwoPoints) {
  // X at 0 and 2, Y at 5 and 5: 2 * 4 - 2 - 0.
  const Tensor x = Tensor::from(std::vector<double>{0, 2}, {2, 1});
  const Tensor y = Tensor::from(std::vector<double>{5, 5}, {2, 1});
  EXPECT_DOUBLE_EQ(energy_distance(x, y), 6);
}

TEST(PairDistances, SeveralBlocks) {
  // Integers around a circle: the same sums in one piece by hand.
  constexpr int n = 1500;
  std::vector<double> x, y;
  for (int i = 0; i < n; ++i) {
    x.push_back(i % 7);
    y.push_back(i % 5);
  }
  double between = 0, xx = 0, yy = 0;
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      between += std::abs(x[size_t(i)] - y[size_t(j)]);
      xx += std::abs(x[size_t(i)] - x[size_t(j)]);
      yy += std::abs(y[size_t(i)] - y[size_t(j)]);
    }
  }
  const double exact = 2 * between / (double(n) * n) - (xx + yy) / (double(n) * (n - 1));
  EXPECT_NEAR(energy_distance(Tensor::from(x, {n, 1}), Tensor::from(y, {n, 1})), exact, 1e-12);
}

TEST(SlicedWasserstein, OneDimension) {
  const std::vector<double> a = {0, 1, 3}, b = {2, 2};
  // Sixths: (0,2) twice, (1,2) once, (1,2) once, (3,2) twice: (4 + 4 + 1 + 1 + 1 + 1) / 6.
  EXPECT_DOUBLE_EQ(squared_wasserstein(a, b), 2);
  EXPECT_DOUBLE_EQ(squared_wasserstein(b, a), 2);
  EXPECT_EQ(squared_wasserstein(a, a), 0);
  EXPECT_THROW(squared_wasserstein(a, {}), ShapeError);
}

TEST(SlicedWasserstein, AlongTheAxesAsNumpy) {
  Tensor axes = Tensor::zeros({7, 7}, DType::f64);
  for (int i = 0; i < 7; ++i) axes.data<double>()[i * 8] = 1;
  EXPECT_NEAR(sliced_wasserstein(wavy(40, 7, 0.5), wavy(31, 7, 1.5), axes), 0.13749615057850645,
              1e-13);
}

TEST(SlicedWasserstein, ShiftInManyDimensions) {
  // A shift by v: the mean over the sphere of (v.u)^2 is |v|^2 / d.
  constexpr int64_t d = 12, count = 4000;
  const Tensor directions = random_directions(count, d, 3);
  for (int64_t p = 0; p < count; p += 997) {
    double squares = 0;
    for (int64_t j = 0; j < d; ++j) squares += std::pow(directions.data<double>()[p * d + j], 2);
    EXPECT_NEAR(squares, 1, 1e-14);
  }
  const Tensor x = wavy(1100, d, 0.5);
  Tensor y = x.clone();
  for (int64_t i = 0; i < y.numel(); i += d) y.data<double>()[i + 2] += 6;
  // (v.u)^2 d / |v|^2 has mean 1 and variance 2 (d - 1) / (d + 2).
  const double sd = std::sqrt(2.0 * (d - 1) / (d + 2) / count);
  EXPECT_NEAR(std::pow(sliced_wasserstein(x, y, directions), 2) * d / 36, 1, 4 * sd);
  // A direction does not depend on how many there are.
  const Tensor few = random_directions(3, d, 3);
  for (int64_t i = 0; i < 3 * d; ++i) {
    EXPECT_EQ(few.data<double>()[i], directions.data<double>()[i]);
  }
  EXPECT_NE(random_directions(1, d, 4).data<double>()[0], few.data<double>()[0]);
}

TEST(Memorization, CopiesAreSeen) {
  const Tensor training = normals(500, 6, 0), held_out = normals(300, 6, 1);
  const Memorization honest = memorization(normals(400, 6, 2), training, held_out);
  EXPECT_NEAR(honest.ratio(), 1, 0.15);
  EXPECT_LT(honest.near_copies, 0.05);
  Tensor copies = normals(400, 6, 2);
  for (int64_t i = 0; i < 100; ++i) {  // a quarter repeats training images, one of them exactly
    for (int64_t j = 0; j < 6; ++j) {
      copies.data<double>()[i * 6 + j] =
          training.data<double>()[(i + 7) * 6 + j] + (i == 42 ? 0 : 1e-3);
    }
  }
  const Memorization found = memorization(copies, training, held_out);
  EXPECT_GE(found.near_copies, 0.25);
  EXPECT_LT(found.near_copies, 0.30);
  EXPECT_EQ(found.closest_sample, 42);
  EXPECT_EQ(found.closest_image, 49);
  EXPECT_EQ(found.closest_distance, 0);
  EXPECT_THROW(memorization(Tensor::zeros({0, 6}, DType::f64), training, held_out), ShapeError);
}

}  // namespace
}  // namespace ito::metrics
