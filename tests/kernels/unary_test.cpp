// Accuracy of the kernels' own exponential, and rounding of whole vectors to bf16 bit by bit.
#include "kernels/unary/op.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "hwy/targets.h"
#include "kernels/softmax/op.h"

namespace ito::testing {
namespace {

Tensor row(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

/// With the targets of this processor but the given ones.
class WithoutTargets : public ::testing::TestWithParam<int64_t> {
 protected:
  WithoutTargets() { hwy::DisableTargets(GetParam()); }
  ~WithoutTargets() override { hwy::DisableTargets(0); }
};
using Exponentials = WithoutTargets;
using Rounding = WithoutTargets;
INSTANTIATE_TEST_SUITE_P(All, Exponentials, ::testing::Values(0, HWY_AVX3 | HWY_AVX3_DL));
INSTANTIATE_TEST_SUITE_P(All, Rounding, ::testing::Values(0, HWY_AVX3 | HWY_AVX3_DL));

/// Every 1009th float between 2^-30 and `end`, with both signs.
std::vector<float> floats_up_to(float end) {
  std::vector<float> list;
  for (auto u = std::bit_cast<uint32_t>(0x1p-30f); std::bit_cast<float>(u) < end; u += 1009) {
    list.push_back(std::bit_cast<float>(u));
    list.push_back(-list.back());
  }
  return list;
}

/// Relative error in roundings to float.
double roundings(float got, double exact) { return std::abs(got / exact - 1) * 0x1p24; }

TEST_P(Exponentials, SigmoidAndSiluAreWithinFourRoundings) {
  const std::vector<float> x = floats_up_to(87);
  const std::vector<float> silu = ops::silu(row(x)).to_vector<float>();
  const std::vector<float> sigmoid = ops::sigmoid(row(x)).to_vector<float>();
  double worst_silu = 0, worst_sigmoid = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double denominator = 1 + std::exp(-static_cast<double>(x[i]));
    worst_silu = std::max(worst_silu, roundings(silu[i], x[i] / denominator));
    worst_sigmoid = std::max(worst_sigmoid, roundings(sigmoid[i], 1 / denominator));
  }
  EXPECT_LE(worst_silu, 4);
  EXPECT_LE(worst_sigmoid, 4);
}

// Where 1 + exp(-x) leaves the range of floats.
TEST_P(Exponentials, SigmoidAndSiluEndInZero) {
  std::vector<float> x;
  for (float v = -88.3f; v > -1e38f; v *= 1.003f) x.push_back(v);
  const std::vector<float> silu = ops::silu(row(x)).to_vector<float>();
  const std::vector<float> sigmoid = ops::sigmoid(row(x)).to_vector<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_TRUE(silu[i] <= 0 && silu[i] > -5e-37f) << x[i];
    ASSERT_TRUE(sigmoid[i] >= 0 && sigmoid[i] < 6e-39f) << x[i];
  }
  EXPECT_EQ(silu.back(), 0);
  EXPECT_EQ(sigmoid.back(), 0);
}

// The smaller weight of a pair at distance x is exp(-x) / (1 + exp(-x)): two roundings in each
// exponential, one in the sum, the reciprocal and the product.
TEST_P(Exponentials, SoftmaxOfPairsIsWithinSevenRoundings) {
  const std::vector<float> below = floats_up_to(86);
  std::vector<float> x;
  for (const float v : below) x.insert(x.end(), {0, -std::abs(v)});
  const auto pairs = static_cast<int64_t>(below.size());
  const std::vector<float> y = ops::softmax(Tensor::from(x, {pairs, 2})).to_vector<float>();
  double worst = 0;
  for (size_t i = 0; i < below.size(); ++i) {
    worst =
        std::max(worst, roundings(y[2 * i + 1], 1 / (1 + std::exp(std::abs(double{below[i]})))));
  }
  EXPECT_LE(worst, 7);
}

// x (1 + 2^-8) + 1 of all bf16 values: halves of the last place, their neighbours, infinities and
// NaN. Every size up to two pairs of vectors ends in another way.
TEST_P(Rounding, VectorsAreRoundedToBf16LikeSingleValues) {
  constexpr double kFactor = 1 + 0x1p-8;
  std::vector<float> x(1 << 16);
  for (uint32_t u = 0; u < x.size(); ++u) x[u] = std::bit_cast<float>(u << 16);
  for (const double offset : {0.0, 1.0, -0x1p-20}) {
    for (const size_t skip : {0, 1, 7}) {
      const std::vector<float> part(x.begin() + static_cast<int64_t>(skip), x.end());
      const auto wide = ops::linear_map(row(part), kFactor, offset).to_vector<float>();
      const auto n = static_cast<int64_t>(part.size());
      const auto half = Tensor::from(std::vector<BFloat16>(part.begin(), part.end()), {n});
      const auto got = ops::linear_map(half, kFactor, offset).to_vector<BFloat16>();
      for (size_t i = 0; i < part.size(); ++i) {
        ASSERT_EQ(got[i].bits, BFloat16(wide[i]).bits) << part[i] << " gives " << wide[i];
      }
    }
  }
}

TEST_P(Rounding, EveryNumberOfBf16ValuesIsWritten) {
  for (int64_t n = 1; n <= 130; ++n) {
    std::vector<BFloat16> x;
    for (int64_t i = 0; i < n; ++i) x.emplace_back(static_cast<float>(i));
    const auto y = ops::linear_map(Tensor::from(x, {n}), 1, 1).to_vector<BFloat16>();
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(static_cast<float>(y[i]), i + 1) << n;
  }
}

}  // namespace
}  // namespace ito::testing
