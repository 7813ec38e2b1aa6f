#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "engine/core/check.h"
#include "tests/data/support.h"
#include "tools/data/dataset.h"
#include "tools/data/digits.h"
#include "tools/data/toys.h"

namespace ito::data {
namespace {

/// Share of `test` whose nearest class mean of `train` (Euclidean) is that of its own class.
double nearest_mean_accuracy(const Dataset& train, const Dataset& test) {
  const size_t each = train.shape().numel();
  std::vector<std::vector<double>> mean(10, std::vector<double>(each));
  std::vector<double> count(10);
  for (int64_t i = 0; i < train.size(); ++i) {
    const auto pixels = train.pixels(i);
    const size_t label = size_t(train.label(i));
    for (size_t k = 0; k < each; ++k) mean[label][k] += pixels[k];
    ++count[label];
  }
  int correct = 0;
  for (int64_t i = 0; i < test.size(); ++i) {
    const auto pixels = test.pixels(i);
    double best = std::numeric_limits<double>::infinity();
    int64_t choice = -1;
    for (size_t label = 0; label < 10; ++label) {
      double distance = 0;
      for (size_t k = 0; k < each; ++k) {
        distance += std::pow(mean[label][k] / count[label] - pixels[k], 2);
      }
      if (distance < best) {
        best = distance;
        choice = int64_t(label);
      }
    }
    correct += choice == test.label(i);
  }
  return double(correct) / double(test.size());
}

TEST(Digits, AreAFunctionOfSeedAndIndex) {
  const auto long_run = make_digits(5, 40, 17, 3), again = make_digits(5, 40, 17, 3);
  const auto short_run = make_digits(5, 23, 17, 3), other = make_digits(6, 40, 17, 3);
  EXPECT_EQ(long_run.pixels, again.pixels);
  EXPECT_TRUE(
      std::equal(short_run.pixels.begin(), short_run.pixels.end(), long_run.pixels.begin()));
  EXPECT_NE(long_run.pixels, other.pixels);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(long_run.labels[i], i % 10);
}

TEST(Digits, TrainAndTestShareNoImage) {
  const auto train = open_dataset({}, Split::train), test = open_dataset({}, Split::test);
  EXPECT_EQ(train->size(), 8192);
  EXPECT_EQ(test->size(), 1024);
  EXPECT_EQ(train->shape(), (ImageShape{16, 16, 1}));
  std::set<std::vector<uint8_t>> seen;
  for (const Dataset* set : {train.get(), test.get()}) {
    for (int64_t i = 0; i < set->size(); ++i) {
      const auto pixels = set->pixels(i);
      EXPECT_TRUE(seen.emplace(pixels.begin(), pixels.end()).second) << set->size() << ' ' << i;
    }
  }
}

// Chance is 10 %. The classes overlap for so simple a rule, so it stays below 100 %.
TEST(Digits, ClassesAreDistinct) {
  const double accuracy =
      nearest_mean_accuracy(*open_dataset({}, Split::train), *open_dataset({}, Split::test));
  RecordProperty("accuracy", std::to_string(accuracy));
  EXPECT_GT(accuracy, 0.80);
}

// Half a pixel of paper is left on all sides, so ink covers at most half of a pixel at the edge.
TEST(Digits, InkStaysInsideAndIsNeitherFaintNorFull) {
  for (const int size : {12, 16, 31, 64}) {
    const auto digits = make_digits(9, 500, size, 1);
    const size_t n = size_t(size);
    for (size_t i = 0; i < 500; ++i) {
      const uint8_t* p = digits.pixels.data() + i * n * n;
      double ink = 0;
      int edge = 0;
      for (size_t y = 0; y < n; ++y) {
        for (size_t x = 0; x < n; ++x) {
          ink += p[y * n + x];
          if (y == 0 || x == 0 || y + 1 == n || x + 1 == n)
            edge = std::max<int>(edge, p[y * n + x]);
        }
      }
      EXPECT_GT(ink / (255.0 * double(n * n)), 0.05) << size << ' ' << i;
      EXPECT_LT(ink / (255.0 * double(n * n)), 0.45) << size << ' ' << i;
      EXPECT_LE(edge, 128) << size << ' ' << i;
    }
  }
}

TEST(Digits, LimitsAreChecked) {
  EXPECT_THROW(make_digits(1, 1, 11, 1), ValueError);
  EXPECT_THROW(make_digits(1, 1, 65, 1), ValueError);
  EXPECT_THROW(make_digits(1, 1, 16, 2), ValueError);
  test::expect_failure(ErrorCode::bad_value, {"data.image_size", "65", "12 to 64"},
                       [] { open_dataset({.image_size = 65}, Split::train); });
  test::expect_failure(ErrorCode::bad_value, {"data.classes", "10"},
                       [] { open_dataset({.classes = 7}, Split::train); });
  test::expect_failure(ErrorCode::bad_value, {"data.channels"},
                       [] { open_dataset({.channels = 2}, Split::train); });
  test::expect_failure(ErrorCode::unknown_key, {"data.name", "minst", "mnist", "digits"},
                       [] { open_dataset({.name = "minst"}, Split::train); });
}

class Toys : public ::testing::TestWithParam<const char*> {};

TEST_P(Toys, HaveUnitVarianceAndTheirClasses) {
  const auto set = open_dataset({.name = GetParam()}, Split::train);
  ASSERT_EQ(set->kind(), Kind::points);
  EXPECT_FALSE(set->has_bytes());
  double square = 0, mean[2] = {};
  std::vector<int64_t> count(size_t(std::max(1, set->classes())));
  for (int64_t i = 0; i < set->size(); ++i) {
    float p[2];
    set->read(i, p);
    ASSERT_TRUE(std::isfinite(p[0]) && std::isfinite(p[1]));
    square += (double(p[0]) * p[0] + double(p[1]) * p[1]) / 2;
    mean[0] += p[0];
    mean[1] += p[1];
    ++count[size_t(set->label(i))];
  }
  const double n = double(set->size());
  // n = 32768 and every point lies within 4.5: the mean of squares is known to
  // 4 standard errors < 4 * sqrt(E r^4 / 4) / sqrt(n) < 0.05. "About one" allows as much again.
  EXPECT_NEAR(square / n, 1, 0.05);
  EXPECT_LT(std::abs(mean[0] / n), 0.3);
  EXPECT_LT(std::abs(mean[1] / n), 0.3);
  const double share = n / double(count.size());
  for (const int64_t c : count) EXPECT_NEAR(double(c), share, 5 * std::sqrt(share));
}

TEST_P(Toys, AreAFunctionOfSeedAndIndex) {
  const auto all = make_toy(GetParam(), 3, 50), some = make_toy(GetParam(), 3, 20);
  EXPECT_TRUE(std::equal(some.points.begin(), some.points.end(), all.points.begin()));
  EXPECT_NE(make_toy(GetParam(), 4, 50).points, all.points);
}

INSTANTIATE_TEST_SUITE_P(All, Toys,
                         ::testing::Values("swiss_roll", "two_moons", "checkerboard", "gaussians8",
                                           "pinwheel", "spiral"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Toys, FollowTheirShapes) {
  // Checkerboard: the sum of the two square numbers has the same parity for every point.
  const auto board = make_toy("checkerboard", 1, 4000);
  std::set<std::pair<int, int>> squares;
  for (size_t i = 0; i < 4000; ++i) {
    const int column = int(std::floor(board.points[2 * i] / 0.8660254f)) + 2;
    const int row = int(std::floor(board.points[2 * i + 1] / 0.8660254f)) + 2;
    EXPECT_EQ((row + column) % 2, 0);
    squares.emplace(row, column);
  }
  EXPECT_EQ(squares.size(), 8u);
  // Gaussians: each point belongs to the mode that it is labelled with.
  const auto ring = make_toy("gaussians8", 1, 4000);
  for (size_t i = 0; i < 4000; ++i) {
    const double angle = std::atan2(ring.points[2 * i + 1], ring.points[2 * i]);
    const int mode = int(std::lround(angle / (std::acos(-1.0) / 4) + 8)) % 8;
    EXPECT_EQ(mode, int(ring.labels[i]));  // 3.8 deviations to the border at 22.5 degrees
  }
  EXPECT_THROW(make_toy("moons", 1, 1), ValueError);
}

}  // namespace
}  // namespace ito::data
