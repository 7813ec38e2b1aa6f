// Pixels in the range of the network: closed forms, inverses, and derivatives by differences.
#include "tools/data/pixel_map.h"

#include <array>
#include <cmath>

#include "tests/data/support.h"
#include "tools/data/config.h"

namespace ito::data {
namespace {

TEST(PixelMap, LogitHasItsClosedForm) {
  std::vector<float> x{0, 0.25f, 0.5f, 0.75f, 1};
  logit_transform(x);
  // log(1e-6 / (1 - 1e-6)) = -13.8155095; log(1/3) = -1.0986123 but for the margin.
  EXPECT_FLOAT_EQ(x[0], -13.8155096f);
  EXPECT_NEAR(x[1], -1.0986103, 2e-6);
  EXPECT_EQ(x[2], 0);
  EXPECT_FLOAT_EQ(x[3], -x[1]);
  EXPECT_FLOAT_EQ(x[4], -x[0]);
}

TEST(PixelMap, LogitInvertsAndSaturates) {
  std::vector<float> x;
  for (int i = 0; i <= 1000; ++i) x.push_back(float(i) / 1000);
  std::vector<float> y = x;
  logit_transform(y);
  undo_logit_transform(y);
  // A float y near 13.8 has a step of 1e-6, which its slope of 1e-6 makes 1e-12.
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], 2e-7) << i;
  std::vector<float> far{-1e30f, -20, 20, 1e30f, -INFINITY, INFINITY};
  undo_logit_transform(far);
  EXPECT_EQ(far, (std::vector<float>{0, 0, 1, 1, 0, 1}));
  std::vector<float> outside{-0.5f, 1.5f};
  logit_transform(outside);
  std::vector<float> ends{0, 1};
  logit_transform(ends);
  EXPECT_EQ(outside, ends);
}

/// The sum of log dy/dx against central differences of the formula in fp64.
TEST(PixelMap, LogitsLogDeterminant) {
  const auto y = [](double x) {
    const double s = 1e-6 + (1 - 2e-6) * x;
    return std::log(s / (1 - s));
  };
  double expected = 0;
  std::vector<float> x;
  for (const float v : {0.001f, 0.1f, 0.37f, 0.5f, 0.8f, 0.9375f}) {
    constexpr double kStep = 1e-7;
    expected += std::log((y(v + kStep) - y(v - kStep)) / (2 * kStep));
    x.push_back(v);
  }
  EXPECT_NEAR(logit_transform(x), expected, 1e-6);
}

TEST(PixelMap, RoundTripsAndExclusion) {
  for (const PixelMap map : {PixelMap{}, PixelMap{.centered = true}, PixelMap{.logit = true}}) {
    std::vector<float> x{0, 0.25f, 0.625f, 1};
    const std::vector<float> before = x;
    to_network_range(map, x);
    if (map.centered) {
      EXPECT_EQ(x, (std::vector<float>{-1, -0.5f, 0.25f, 1}));
    }
    from_network_range(map, x);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], before[i], 2e-7);
  }
  std::vector<float> x{0.5f};
  EXPECT_THROW(to_network_range({.centered = true, .logit = true}, x), ValueError);
}

TEST(PixelMap, ConfigurationExcludes) {
  using test::expect_failure;
  const auto refused = [](std::string_view key, const DataConfig& config) {
    expect_failure(ErrorCode::bad_combination, {key}, [&] { config.validate(); });
  };
  refused("data.gaussian_dequantization",
          {.uniform_dequantization = true, .gaussian_dequantization = true});
  refused("data.logit_transform", {.gaussian_dequantization = true, .logit_transform = true});
  refused("data.logit_transform", {.centered = true, .logit_transform = true});
  const DataConfig good{.uniform_dequantization = true, .logit_transform = true};
  good.validate();
  EXPECT_TRUE(pixel_map(good).logit);
  EXPECT_TRUE(
      pixel_map(Settings{{"data.logit_transform", true}, {"sde.name", std::string("ve")}}).logit);
  EXPECT_FALSE(pixel_map(Settings{{"data.centered", true}}).logit);
}

}  // namespace
}  // namespace ito::data
