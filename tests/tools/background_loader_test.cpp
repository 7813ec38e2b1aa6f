// Batches made ahead are those made when they are asked for.
#include "tools/run/background_loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace ito::tools {
namespace {

using namespace std::chrono_literals;

Batch numbered(int64_t step) {
  return {Tensor::from(std::vector<float>(4, static_cast<float>(step)), {1, 2, 2, 1}), {step}};
}

void expect_batch(const Batch& batch, int64_t step) {
  EXPECT_EQ(batch.classes, std::vector<int64_t>{step});
  EXPECT_EQ(batch.images.to_vector<float>(), std::vector<float>(4, static_cast<float>(step)));
}

TEST(BackgroundLoader, StepsInOrderAndOutOfIt) {
  BackgroundLoader loader(numbered, 3, 40);
  for (int64_t step = 3; step < 40; ++step) expect_batch(loader.at(step), step);
  for (const int64_t step : {7, 8, 30, 30, 2, 39, 0}) expect_batch(loader.at(step), step);
}

TEST(BackgroundLoader, TheNextBatchIsMadeMeanwhileAndNoneBeyondTheLast) {
  std::atomic<int64_t> newest{-1};
  BackgroundLoader loader(
      [&](int64_t step) {
        newest = step;
        return numbered(step);
      },
      0, 3);
  while (newest < 0) std::this_thread::sleep_for(1ms);  // before anybody has asked
  loader.at(0);
  while (newest < 1) std::this_thread::sleep_for(1ms);
  loader.at(1);
  loader.at(2);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(newest, 2);
}

TEST(BackgroundLoader, WhatTheReaderThrowsReachesTheCallerAtItsStep) {
  std::atomic<int> failures{2};
  BackgroundLoader loader(
      [&](int64_t step) {
        if (step == 2 && failures-- > 0) throw std::runtime_error("step 2");
        return numbered(step);
      },
      0, 10);
  expect_batch(loader.at(0), 0);
  expect_batch(loader.at(1), 1);
  EXPECT_THROW(loader.at(2), std::runtime_error);
  EXPECT_THROW(loader.at(2), std::runtime_error);
  expect_batch(loader.at(2), 2);
  expect_batch(loader.at(3), 3);
}

TEST(BackgroundLoader, WaitingIsCounted) {
  BackgroundLoader loader(
      [](int64_t step) {
        std::this_thread::sleep_for(step == 1 ? 100ms : 0ms);
        return numbered(step);
      },
      0, 3);
  loader.at(0);
  const double before = loader.seconds_waited();
  loader.at(1);
  const double waited = loader.seconds_waited() - before;
  EXPECT_GT(waited, 0.02);  // the batch was ordered at once, so it can only be less
  std::this_thread::sleep_for(50ms);
  loader.at(2);
  EXPECT_LT(loader.seconds_waited() - before - waited, waited);
}

TEST(BackgroundLoader, EndsAtAnyTime) {
  for (int i = 0; i < 50; ++i) {
    BackgroundLoader loader(
        [](int64_t step) {
          if (step % 3 == 2) throw std::runtime_error("not asked for");
          return numbered(step);
        },
        0, 100);
    for (int64_t step = 0; step < i % 3; ++step) loader.at(step);
  }
  BackgroundLoader idle(numbered, 5, 5);  // nothing to do
}

}  // namespace
}  // namespace ito::tools
