// fir_resample against the closed one-dimensional forms of its rules, and at the borders.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/reduce/op.h"
#include "tests/support/samples.h"

namespace ito {
namespace {

const std::vector<double> kBinomial = {1, 3, 3, 1};

Tensor random_image(const Shape& shape) {
  return testing::random_like({.shape = shape, .dtype = DType::f64}, DType::f64, 7);
}

double at(const Tensor& x, int64_t n, int64_t h, int64_t w, int64_t c) {
  if (h < 0 || h >= x.size(1) || w < 0 || w >= x.size(2)) return 0;
  return x.data<double>()[((n * x.size(1) + h) * x.size(2) + w) * x.size(3) + c];
}

/// The two inputs of an upsampled value along an axis, with weights in quarters.
struct Pair {
  int64_t first;
  double weights[2];
};
Pair upsampling_pair(int64_t j) {
  return j % 2 == 0 ? Pair{j / 2 - 1, {0.25, 0.75}} : Pair{j / 2, {0.75, 0.25}};
}

TEST(FirUpsample, MatchesTheClosedForm) {
  const Tensor x = random_image({2, 5, 3, 9});
  const Tensor y = ops::fir_upsample(x, kBinomial);
  ASSERT_EQ(y.shape(), (Shape{2, 10, 6, 9}));
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t h = 0; h < 10; ++h) {
      for (int64_t w = 0; w < 6; ++w) {
        for (int64_t c = 0; c < 9; ++c) {
          const Pair v = upsampling_pair(h), u = upsampling_pair(w);
          double expected = 0;
          for (int i = 0; i < 2; ++i) {
            for (int j = 0; j < 2; ++j) {
              expected += v.weights[i] * u.weights[j] * at(x, n, v.first + i, u.first + j, c);
            }
          }
          ASSERT_NEAR(at(y, n, h, w, c), expected, 1e-14) << n << h << w << c;
        }
      }
    }
  }
}

TEST(FirDownsample, MatchesTheClosedForm) {
  const Tensor x = random_image({2, 8, 6, 3});
  const Tensor y = ops::fir_downsample(x, kBinomial);
  ASSERT_EQ(y.shape(), (Shape{2, 4, 3, 3}));
  const double weights[] = {0.125, 0.375, 0.375, 0.125};
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t h = 0; h < 4; ++h) {
      for (int64_t w = 0; w < 3; ++w) {
        for (int64_t c = 0; c < 3; ++c) {
          double expected = 0;
          for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
              expected += weights[i] * weights[j] * at(x, n, 2 * h - 1 + i, 2 * w - 1 + j, c);
            }
          }
          ASSERT_NEAR(at(y, n, h, w, c), expected, 1e-14) << n << h << w << c;
        }
      }
    }
  }
}

TEST(FirResample, BordersLoseMass) {
  const Tensor ones = Tensor::full({1, 4, 4, 1}, 1, DType::f64);
  const Tensor up = ops::fir_upsample(ones, kBinomial);
  EXPECT_DOUBLE_EQ(at(up, 0, 0, 0, 0), 0.75 * 0.75);
  EXPECT_DOUBLE_EQ(at(up, 0, 0, 3, 0), 0.75);
  EXPECT_DOUBLE_EQ(at(up, 0, 3, 4, 0), 1);
  EXPECT_DOUBLE_EQ(at(up, 0, 7, 7, 0), 0.75 * 0.75);
  const Tensor down = ops::fir_downsample(ones, kBinomial);
  EXPECT_DOUBLE_EQ(at(down, 0, 0, 0, 0), 0.875 * 0.875);
  EXPECT_DOUBLE_EQ(at(down, 0, 1, 1, 0), 0.875 * 0.875);
}

TEST(FirResample, ConvolvesRatherThanCorrelates) {
  // An impulse comes out as the taps in their own order.
  std::vector<double> impulse(7, 0.0);
  impulse[0] = 1;
  const Tensor x = Tensor::from(impulse, {1, 1, 7, 1});
  const Tensor y = ops::fir_resample(x, {.taps = {1, 2, 5}, .pad_y0 = 1, .pad_y1 = 1, .pad_x0 = 2});
  const double row = 2.0 / 8;  // the vertical pass sees the one row with the middle tap
  EXPECT_DOUBLE_EQ(at(y, 0, 0, 0, 0), row * 1 / 8);
  EXPECT_DOUBLE_EQ(at(y, 0, 0, 1, 0), row * 2 / 8);
  EXPECT_DOUBLE_EQ(at(y, 0, 0, 2, 0), row * 5 / 8);
  EXPECT_DOUBLE_EQ(at(y, 0, 0, 3, 0), 0);
}

TEST(FirResample, SizesOfTheRulesHoldForOtherFilters) {
  for (const size_t taps : {1, 2, 3, 4, 5, 6, 7}) {
    const std::vector<double> filter(taps, 1.0);
    const Tensor x = Tensor::full({1, 8, 8, 1}, 1, DType::f64);
    EXPECT_EQ(ops::fir_upsample(x, filter).shape(), (Shape{1, 16, 16, 1})) << taps;
    EXPECT_EQ(ops::fir_downsample(x, filter).shape(), (Shape{1, 4, 4, 1})) << taps;
  }
}

/// <A x, y> = <x, A^T y>, for sizes that leave a remainder.
TEST(FirResample, GradientIsTheAdjoint) {
  for (const int64_t size : {5, 6, 7, 8}) {
    Tensor x = random_image({1, size, size + 1, 2});
    x.set_requires_grad();
    const Tensor y = ops::fir_resample(
        x, {.taps = {1, 2, -0.5, 3}, .up = 2, .down = 3, .pad_y0 = 2, .pad_y1 = 1, .pad_x0 = 1});
    const Tensor seed = testing::random_like(spec_of(y), DType::f64, 9);
    const Tensor adjoint = grad({y}, {x}, {.seeds = {seed}})[0];
    const double left = ops::sum(y.detach() * seed).item();
    EXPECT_NEAR(left, ops::sum(x.detach() * adjoint).item(), 1e-13 * (1 + std::abs(left))) << size;
  }
}

}  // namespace
}  // namespace ito
