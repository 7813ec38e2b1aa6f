#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "engine/core/check.h"
#include "engine/random/noise.h"

namespace ito {
namespace {

constexpr NoiseKey kKey{.seed = 0x0123456789abcdefu, .purpose = Purpose::predictor, .step = 7};

std::vector<float> normals(NoiseKey key, uint32_t sample, size_t count, uint32_t first = 0) {
  std::vector<float> out(count);
  fill_normal(std::span<float>(out), key, sample, first);
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<uint32_t, float>,
                            std::bit_cast<uint32_t, float>);
}

// |value - exact| in units of the last place of `exact` as an fp32 number.
double ulps(float value, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::abs(value - exact) / std::ldexp(1.0, exponent - 24);
}

TEST(Philox, CounterAndKeyTakeTheirDocumentedPlaces) {
  const NoiseKey key{.seed = 0x299f31d0a4093822u, .purpose = Purpose::label, .step = 0x13198a2eu};
  const U32x4 a = noise_bits(key, 0x85a308d3u, 0x243f6a88u);
  const U32x4 b = philox4x32_10({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 11u}}, key.seed);
  EXPECT_TRUE(std::ranges::equal(a.v, b.v));
}

TEST(Philox, PurposesKeepTheirNumbers) {
  const Purpose all[] = {Purpose::init,      Purpose::forward_noise, Purpose::predictor,
                         Purpose::corrector, Purpose::dropout,       Purpose::time,
                         Purpose::probe,     Purpose::data,          Purpose::prior,
                         Purpose::denoise,   Purpose::constraint,    Purpose::label};
  for (uint32_t i = 0; i < std::size(all); ++i) EXPECT_EQ(static_cast<uint32_t>(all[i]), i);
}

// Known answers of the whole path, computed in double precision from the published Philox words of
// the zero counter; 4 ulp is the documented accuracy.
TEST(Normal, ZeroCounterGivesTheNormalsOfThePublishedWords) {
  const U32x4 words{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}};
  const F32x4 z = normal4(philox4x32_10({{0, 0, 0, 0}}, 0));
  for (int pair = 0; pair < 2; ++pair) {
    const double u1 = static_cast<float>((words.v[2 * pair] + 0.5) * 0x1p-32);
    const double angle = 2 * std::numbers::pi * words.v[2 * pair + 1] * 0x1p-32;
    const double radius = std::sqrt(-2 * std::log(u1));
    EXPECT_LE(ulps(z.v[2 * pair], radius * std::cos(angle)), 4);
    EXPECT_LE(ulps(z.v[2 * pair + 1], radius * std::sin(angle)), 4);
  }
}

TEST(Normal, LogAndSincosKeepTheirAccuracyOverTheWholeRange) {
  double worst_log = 0, worst_sincos = 0;
  for (uint64_t word = 0; word < uint64_t{1} << 32; word += 16411) {
    const auto bits = static_cast<uint32_t>(word);
    const float u = detail::unit_interval(bits);
    worst_log = std::max(worst_log, ulps(detail::log_unit(u), std::log(double{u})));
    const double turns = static_cast<int32_t>(bits) * 0x1p-32;
    const detail::SinCos sc = detail::sincos_turns(bits);
    worst_sincos = std::max({worst_sincos, ulps(sc.sin, std::sin(2 * std::numbers::pi * turns)),
                             ulps(sc.cos, std::cos(2 * std::numbers::pi * turns))});
  }
  EXPECT_LE(worst_log, 1);
  EXPECT_LE(worst_sincos, 2);
}

TEST(Normal, ExtremeWordsStayFiniteAndInRange) {
  for (uint32_t radius : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu}) {
    for (uint32_t angle : {0u, 0x1fffffffu, 0x20000000u, 0x40000000u, 0x80000000u, 0xc0000000u,
                           0xdfffffffu, 0xe0000000u, 0xffffffffu}) {
      for (float z : normal4({{radius, angle, radius, angle}}).v) {
        EXPECT_LE(std::abs(z), 6.77f) << radius << " " << angle;
      }
    }
  }
  EXPECT_NEAR(normal4({{0, 0, 0, 0}}).v[0], std::sqrt(66 * std::numbers::ln2), 1e-6);
  EXPECT_EQ(normal4({{~0u, 5, 0, 0x40000000u}}).v[0], 0.0f);
  EXPECT_EQ(normal4({{~0u, 5, 0, 0x40000000u}}).v[2], 0.0f);  // cos of a quarter turn, exactly
}

TEST(Noise, FillEqualsElementByElementForEveryOffsetAndTail) {
  for (uint32_t first : {0u, 1u, 2u, 3u, 4u, 253u, 256u, 1000003u}) {
    for (size_t count : {0, 1, 3, 4, 5, 255, 256, 257, 1021}) {
      const std::vector<float> z = normals(kKey, 3, count, first);
      std::vector<double> wide(count);
      fill_normal(std::span<double>(wide), kKey, 3, first);
      std::vector<float> u(count), r(count);
      fill_uniform(u, kKey, 3, first);
      fill_rademacher(r, kKey, 3, first);
      for (uint32_t i = 0; i < count; ++i) {
        ASSERT_EQ(z[i], normal_at(kKey, 3, first + i)) << first << " " << count << " " << i;
        ASSERT_EQ(wide[i], double{z[i]});
        ASSERT_EQ(u[i], uniform_at(kKey, 3, first + i));
        ASSERT_EQ(r[i], rademacher_at(kKey, 3, first + i));
      }
    }
  }
}

TEST(Noise, FillWritesNothingOutsideItsSpan) {
  std::vector<float> out(1026, 99.0f);
  fill_normal(std::span<float>(out).subspan(1, 1021), kKey, 0, 2);
  EXPECT_EQ(out[0], 99.0f);
  for (size_t i = 1022; i < out.size(); ++i) EXPECT_EQ(out[i], 99.0f);
}

TEST(Noise, EndOfTheElementRange) {
  const std::vector<float> z = normals(kKey, 0, 5, 0xfffffffbu);
  EXPECT_EQ(z[4], normal_at(kKey, 0, 0xffffffffu));
  EXPECT_THROW(normals(kKey, 0, 6, 0xfffffffbu), ValueError);
}

TEST(Noise, SplittingASampleOrABatchChangesNothing) {
  const std::vector<float> whole = normals(kKey, 11, 3 * 17 * 13);
  std::vector<float> parts(whole.size());
  for (size_t begin = 0; begin < parts.size(); begin += 37) {
    const size_t count = std::min<size_t>(37, parts.size() - begin);
    fill_normal(std::span<float>(parts).subspan(begin, count), kKey, 11,
                static_cast<uint32_t>(begin));
  }
  EXPECT_TRUE(same_bits(whole, parts));
}

TEST(Noise, EveryPartOfTheKeySeparatesStreams) {
  const std::vector<float> base = normals(kKey, 1, 64);
  NoiseKey seed = kKey, high_seed = kKey, purpose = kKey, step = kKey;
  seed.seed ^= 1;
  high_seed.seed ^= uint64_t{1} << 63;
  purpose.purpose = Purpose::corrector;
  step.step += 1;
  for (const NoiseKey& key : {seed, high_seed, purpose, step}) {
    const std::vector<float> other = normals(key, 1, 64);
    for (size_t i = 0; i < base.size(); ++i) EXPECT_NE(base[i], other[i]);
  }
  const std::vector<float> other = normals(kKey, 2, 64);
  for (size_t i = 0; i < base.size(); ++i) EXPECT_NE(base[i], other[i]);
}

// Statistics of N = 2^20 fixed values. A correct generator leaves each 5-sigma bound below with
// probability 6e-7; since the seed is fixed the outcome never changes.
constexpr size_t kCount = size_t{1} << 20;

double mean_power(const std::vector<float>& z, int power) {
  double sum = 0;
  for (float x : z) sum += std::pow(double{x}, power);
  return sum / static_cast<double>(z.size());
}

TEST(NoiseStatistics, MomentsOfNormals) {
  const std::vector<float> z = normals(kKey, 0, kCount);
  // E z^2k = (2k - 1)!!, and the variance of the mean of z^k is (E z^2k - (E z^k)^2) / N.
  const double moment[] = {1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395};
  for (int k = 1; k <= 6; ++k) {
    const double bound =
        5 * std::sqrt((moment[2 * k] - moment[k] * moment[k]) / static_cast<double>(kCount));
    EXPECT_NEAR(mean_power(z, k), moment[k], bound) << "moment " << k;
  }
}

TEST(NoiseStatistics, TailsOfNormals) {
  const std::vector<float> z = normals(kKey, 5, kCount);
  for (double limit : {0.1, 1.0, 2.0, 3.0, 4.0}) {
    const double p = std::erfc(limit / std::numbers::sqrt2);
    const auto count = std::ranges::count_if(z, [&](float x) { return std::abs(x) > limit; });
    const double n = static_cast<double>(kCount);
    EXPECT_NEAR(static_cast<double>(count), n * p, 5 * std::sqrt(n * p * (1 - p)) + 1) << limit;
  }
}

// Kolmogorov-Smirnov: P(sqrt(N) D > 2.63) = 2 exp(-2 * 2.63^2) = 2e-6.
template <class Cdf>
double kolmogorov_smirnov(std::vector<float> values, Cdf cdf) {
  std::ranges::sort(values);
  const double n = static_cast<double>(values.size());
  double distance = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double p = cdf(values[i]), at = static_cast<double>(i) / n;
    distance = std::max({distance, p - at, at + 1 / n - p});
  }
  return distance * std::sqrt(n);
}

TEST(NoiseStatistics, KolmogorovSmirnov) {
  const auto normal_cdf = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  EXPECT_LT(kolmogorov_smirnov(normals(kKey, 0, kCount), normal_cdf), 2.63);
  // Every word of a block alone: cos and sin, first and second pair.
  const std::vector<float> z = normals(kKey, 9, kCount);
  for (size_t word = 0; word < 4; ++word) {
    std::vector<float> part;
    for (size_t i = word; i < z.size(); i += 4) part.push_back(z[i]);
    EXPECT_LT(kolmogorov_smirnov(part, normal_cdf), 2.63) << "word " << word;
  }
  std::vector<float> u(kCount);
  fill_uniform(u, kKey, 0);
  EXPECT_LT(kolmogorov_smirnov(u, [](double x) { return x; }), 2.63);
}

TEST(NoiseStatistics, LagCorrelationsVanish) {
  const std::vector<float> z = normals(kKey, 0, kCount);
  for (size_t lag : {1, 2, 3, 4, 5, 8, 64, 256, 1024}) {
    double sum = 0, sum_of_squares = 0;  // z z' and z^2 z'^2 - 1: the second sees shared radii
    const size_t n = z.size() - lag;
    for (size_t i = 0; i < n; ++i) {
      const double a = z[i], b = z[i + lag];
      sum += a * b;
      sum_of_squares += (a * a - 1) * (b * b - 1);
    }
    // Var(z z') = 1 and Var((z^2 - 1)(z'^2 - 1)) = 4.
    EXPECT_LT(std::abs(sum), 5 * std::sqrt(static_cast<double>(n))) << "lag " << lag;
    EXPECT_LT(std::abs(sum_of_squares), 10 * std::sqrt(static_cast<double>(n))) << "lag " << lag;
  }
}

TEST(NoiseStatistics, SamplesStepsAndPurposesAreUncorrelated) {
  const std::vector<float> z = normals(kKey, 0, kCount);
  NoiseKey step = kKey, purpose = kKey;
  step.step += 1;
  purpose.purpose = Purpose::corrector;
  for (const std::vector<float>& other :
       {normals(kKey, 1, kCount), normals(step, 0, kCount), normals(purpose, 0, kCount)}) {
    const double sum = std::inner_product(z.begin(), z.end(), other.begin(), 0.0);
    EXPECT_LT(std::abs(sum), 5 * std::sqrt(static_cast<double>(kCount)));
  }
}

TEST(NoiseStatistics, RademacherIsBalanced) {
  std::vector<float> r(kCount);
  fill_rademacher(r, kKey, 0);
  for (float x : r) ASSERT_EQ(std::abs(x), 1.0f);
  EXPECT_LT(std::abs(std::accumulate(r.begin(), r.end(), 0.0)),
            5 * std::sqrt(static_cast<double>(kCount)));
}

TEST(Noise, UniformCoversItsRangeWithoutReachingOne) {
  EXPECT_EQ(uniform1(0), 0.0f);
  EXPECT_EQ(uniform1(0xffffffffu), 1.0f - 0x1p-24f);
}

TEST(Noise, BoundedIsTheHighProduct) {
  EXPECT_EQ(bounded(0, 10), 0u);
  EXPECT_EQ(bounded(0xffffffffu, 10), 9u);
  EXPECT_EQ(bounded(0x80000000u, 7), 3u);
  EXPECT_EQ(bounded(0xffffffffu, 0xffffffffu), 0xfffffffeu);
  EXPECT_EQ(bounded(123, 0), 0u);
}

TEST(Permutation, IsAPermutationThatDiffersByKey) {
  for (uint32_t n : {0u, 1u, 2u, 3u, 1000u, 4099u}) {
    std::vector<uint32_t> order = permutation(n, kKey), identity(n);
    EXPECT_EQ(order, permutation(n, kKey));
    NoiseKey other = kKey;
    other.step += 1;
    if (n >= 1000) {
      EXPECT_NE(order, permutation(n, other));
    }
    std::iota(identity.begin(), identity.end(), 0u);
    std::ranges::sort(order);
    EXPECT_EQ(order, identity);
  }
}

// All 24 orders of four items over 24000 keys: chi squared with 23 degrees of freedom exceeds 70
// with probability 1e-6.
TEST(Permutation, OrdersAreEquallyLikely) {
  int seen[256] = {};
  NoiseKey key = kKey;
  for (key.step = 0; key.step < 24000; ++key.step) {
    const std::vector<uint32_t> p = permutation(4, key);
    ++seen[p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3]];
  }
  double chi2 = 0;
  int orders = 0;
  for (int count : seen) {
    if (count == 0) continue;
    chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
    ++orders;
  }
  EXPECT_EQ(orders, 24);
  EXPECT_LT(chi2, 70);
}

}  // namespace
}  // namespace ito
