#include "tools/data/batch_source.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "tests/data/support.h"

namespace ito::data {
namespace {

/// 13 images of 2 x 3 RGB with every byte different inside an image.
std::shared_ptr<const Dataset> small_set() {
  Dataset::Content content;
  content.name = "small";
  content.shape = {2, 3, 3};
  content.classes = 13;
  for (int i = 0; i < 13; ++i) {
    for (int k = 0; k < 18; ++k) content.pixels.push_back(uint8_t(k * 13 + i));
    content.labels.push_back(uint8_t(12 - i));
  }
  return std::make_shared<const Dataset>(std::move(content));
}

struct Batch {
  std::vector<float> x;
  std::vector<int64_t> labels, indices;
  bool operator==(const Batch&) const = default;
};

Batch batch_of(const BatchSource& source, int64_t step) {
  const size_t n = size_t(source.batch());
  Batch batch{std::vector<float>(n * source.dataset().shape().numel()), std::vector<int64_t>(n),
              std::vector<int64_t>(n)};
  source.batch_at(step, batch.x, batch.labels, batch.indices);
  return batch;
}

std::vector<int64_t> stream(const BatchSource& source, int64_t steps) {
  std::vector<int64_t> all;
  for (int64_t s = 0; s < steps; ++s) {
    const Batch b = batch_of(source, s);
    all.insert(all.end(), b.indices.begin(), b.indices.end());
  }
  return all;
}

TEST(BatchSource, AnEpochShowsEveryImageOnceInANewOrder) {
  for (const int64_t batch : {1, 5, 13, 30}) {
    const BatchSource source(small_set(), batch, 42);
    const auto all = stream(source, 78 / batch + 1);
    for (size_t epoch = 0; epoch < 6; ++epoch) {
      std::vector<int64_t> one(all.begin() + ptrdiff_t(epoch * 13),
                               all.begin() + ptrdiff_t(epoch * 13 + 13));
      if (epoch > 0) {
        EXPECT_FALSE(std::equal(one.begin(), one.end(), all.begin()));
      }
      std::sort(one.begin(), one.end());
      for (int64_t i = 0; i < 13; ++i) EXPECT_EQ(one[size_t(i)], i);
    }
  }
}

TEST(BatchSource, StreamDoesNotDependOnTheBatchSize) {
  const auto ones = stream(BatchSource(small_set(), 1, 42), 60);
  const auto sevens = stream(BatchSource(small_set(), 7, 42), 9);
  EXPECT_TRUE(std::equal(ones.begin(), ones.end(), sevens.begin()));
  EXPECT_NE(stream(BatchSource(small_set(), 1, 43), 60), ones);
}

TEST(BatchSource, AnyStepCanComeFirst) {
  const BatchOptions options{.random_flip = true, .uniform_dequantization = true, .centered = true};
  const BatchSource running(small_set(), 5, 7, options);
  std::vector<Batch> seen;
  for (int64_t s = 0; s < 12; ++s) seen.push_back(batch_of(running, s));
  for (int64_t s = 11; s >= 0; --s) {
    const BatchSource resumed(small_set(), 5, 7, options);
    EXPECT_EQ(batch_of(resumed, s), seen[size_t(s)]) << s;
    EXPECT_EQ(batch_of(running, s), seen[size_t(s)]) << s;
  }
  std::vector<std::thread> threads;
  std::vector<Batch> parallel(12);
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t s = t; s < 12; s += 4) parallel[s] = batch_of(running, int64_t(s));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(parallel, seen);
}

TEST(BatchSource, HandsOnTheImageAndItsLabel) {
  const auto set = small_set();
  for (const bool centered : {false, true}) {
    const Batch b = batch_of(BatchSource(set, 9, 1, {.centered = centered}), 3);
    for (size_t i = 0; i < 9; ++i) {
      EXPECT_EQ(b.labels[i], 12 - b.indices[i]);
      const auto pixels = set->pixels(b.indices[i]);
      for (size_t k = 0; k < 18; ++k) {
        const float unit = float(pixels[k]) / 255.0f;
        EXPECT_EQ(b.x[i * 18 + k], centered ? 2 * unit - 1 : unit);
      }
    }
  }
}

TEST(BatchSource, FlipsHalfOfTheImagesLeftToRight) {
  const auto set = small_set();
  const BatchSource source(set, 13, 5, {.random_flip = true});
  int flipped = 0;
  constexpr int kSteps = 100, kImages = 13 * kSteps;
  std::vector<bool> first_epoch(13), second_epoch(13);
  for (int64_t s = 0; s < kSteps; ++s) {
    const Batch b = batch_of(source, s);
    for (size_t i = 0; i < 13; ++i) {
      const auto pixels = set->pixels(b.indices[i]);
      const bool flip = b.x[i * 18] != float(pixels[0]) / 255.0f;
      flipped += flip;
      if (s < 2) (s == 0 ? first_epoch : second_epoch)[size_t(b.indices[i])] = flip;
      for (size_t y = 0; y < 2; ++y) {
        for (size_t x = 0; x < 3; ++x) {
          for (size_t c = 0; c < 3; ++c) {
            const size_t from = (y * 3 + (flip ? 2 - x : x)) * 3 + c;
            EXPECT_EQ(b.x[i * 18 + (y * 3 + x) * 3 + c], float(pixels[from]) / 255.0f);
          }
        }
      }
    }
  }
  // Binomial(1300, 1/2): five standard deviations.
  EXPECT_NEAR(flipped, kImages / 2, 5 * std::sqrt(kImages / 4.0));
  EXPECT_NE(first_epoch, second_epoch);
}

TEST(BatchSource, DequantisationKeepsTheByteAndFillsItsInterval) {
  Dataset::Content content;
  content.shape = {16, 16, 1};
  for (int i = 0; i < 256; ++i) content.pixels.push_back(uint8_t(i));
  const auto set = std::make_shared<const Dataset>(std::move(content));
  const BatchSource source(set, 1, 5, {.uniform_dequantization = true});
  double sum = 0, square = 0, previous = -1;
  constexpr int kSteps = 400, kValues = 256 * kSteps;
  for (int64_t s = 0; s < kSteps; ++s) {
    const Batch b = batch_of(source, s);
    EXPECT_NE(b.x[0], previous);
    previous = b.x[0];
    for (size_t k = 0; k < 256; ++k) {
      ASSERT_EQ(std::floor(b.x[k] * 256), float(k));
      const double u = double(b.x[k]) * 256 - double(k);
      sum += u;
      square += u * u;
    }
  }
  // Uniform on [0, 1): mean 1/2 (variance 1/12), mean square 1/3 (variance 4/45); five deviations.
  EXPECT_NEAR(sum / kValues, 0.5, 5 * std::sqrt(1.0 / 12 / kValues));
  EXPECT_NEAR(square / kValues, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kValues));
}

TEST(BatchSource, GaussianNoiseHasItsDeviationAndFollowsTheImage) {
  const auto set = small_set();
  const BatchSource source(set, 13, 5, {.gaussian_dequantization = true});
  const BatchSource other(set, 4, 5, {.gaussian_dequantization = true, .centered = true});
  double sum = 0, square = 0;
  constexpr int kSteps = 200, kValues = 13 * 18 * kSteps;
  for (int64_t s = 0; s < kSteps; ++s) {
    const Batch b = batch_of(source, s);
    for (size_t i = 0; i < 13; ++i) {
      const auto pixels = set->pixels(b.indices[i]);
      for (size_t k = 0; k < 18; ++k) {
        const double z = (double(b.x[i * 18 + k]) - pixels[k] / 255.0) / 0.01;
        sum += z;
        square += z * z;
      }
    }
  }
  EXPECT_NEAR(sum / kValues, 0, 5 / std::sqrt(double(kValues)));
  EXPECT_NEAR(square / kValues, 1, 5 * std::sqrt(2.0 / kValues));
  // The first image of the stream, in a batch of another size.
  const Batch a = batch_of(source, 0), c = batch_of(other, 0);
  EXPECT_EQ(a.indices[0], c.indices[0]);
  for (size_t k = 0; k < 18; ++k) EXPECT_EQ(c.x[k], 2 * a.x[k] - 1);
}

TEST(BatchSource, LogitsOfDequantisedBytes) {
  const auto set = small_set();
  const BatchSource plain(set, 9, 1, {.random_flip = true, .uniform_dequantization = true});
  const BatchSource logits(
      set, 9, 1, {.random_flip = true, .uniform_dequantization = true, .logit_transform = true});
  Batch a = batch_of(plain, 2);
  const Batch b = batch_of(logits, 2);
  logit_transform(a.x);
  EXPECT_EQ(a.x, b.x);
}

TEST(BatchSource, PointsPassUnchanged) {
  const std::shared_ptr<const Dataset> set = open_dataset({.name = "spiral"}, Split::test);
  const Batch b = batch_of(BatchSource(set, 6, 1, {.centered = true}), 2);
  for (size_t i = 0; i < 6; ++i) {
    float p[2];
    set->read(b.indices[i], p);
    EXPECT_EQ(b.x[2 * i], p[0]);
    EXPECT_EQ(b.x[2 * i + 1], p[1]);
  }
  test::expect_failure(ErrorCode::bad_combination, {"data.random_flip"},
                       [&] { BatchSource(set, 1, 1, {.random_flip = true}); });
  test::expect_failure(ErrorCode::bad_combination, {"data.uniform_dequantization"},
                       [&] { BatchSource(set, 1, 1, {.uniform_dequantization = true}); });
  test::expect_failure(ErrorCode::bad_combination, {"data.gaussian_dequantization"},
                       [&] { BatchSource(set, 1, 1, {.gaussian_dequantization = true}); });
  test::expect_failure(ErrorCode::bad_combination, {"data.logit_transform"},
                       [&] { BatchSource(set, 1, 1, {.logit_transform = true}); });
}

TEST(BatchSource, WrongArgumentsThrow) {
  EXPECT_THROW(BatchSource(small_set(), 0, 1), ValueError);
  const BatchSource source(small_set(), 2, 1);
  std::vector<float> x(36);
  std::vector<int64_t> labels(2), wrong(3);
  EXPECT_NO_THROW(source.batch_at(0, x, {}, {}));
  EXPECT_THROW(source.batch_at(-1, x, labels, labels), ValueError);
  EXPECT_THROW(source.batch_at(0, x, labels, wrong), ValueError);
  EXPECT_THROW(source.batch_at(0, std::span(x).first(35), labels, labels), ValueError);
  EXPECT_THROW(source.batch_at(int64_t(1) << 62, x, labels, labels), ValueError);
  EXPECT_THROW(source.batch_at(int64_t(1) << 40, x, labels, labels), ValueError);
}

}  // namespace
}  // namespace ito::data
