// Shapes, dtypes, tensors, storage, allocator, parallel loops.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "engine/core/allocator.h"
#include "engine/core/parallel.h"
#include "engine/core/tensor.h"
#include "engine/io/checksum.h"

namespace ito {
namespace {

TEST(Shape, ChecksSizesRankAndOverflow) {
  EXPECT_EQ(Shape({2, 3, 4}).numel(), 24);
  EXPECT_EQ(Shape().numel(), 1);
  EXPECT_EQ(Shape({3, 0, 4}).numel(), 0);
  EXPECT_EQ(to_string(Shape{2, 3}), "[2,3]");
  EXPECT_THROW(Shape({-1}), ShapeError);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1, 1}), ShapeError);
  EXPECT_THROW(Shape({int64_t{1} << 31, int64_t{1} << 31}), ShapeError);
  // A zero must not hide an overflow.
  EXPECT_THROW(Shape({0, int64_t{1} << 31, int64_t{1} << 31}), ShapeError);
  EXPECT_NO_THROW(Shape({int64_t{1} << 59}));
}

TEST(Shape, NegativeAxesCountFromTheEnd) {
  const Shape s{2, 3, 5};
  EXPECT_EQ(s[-1], 5);
  EXPECT_EQ(s[0], 2);
  EXPECT_THROW(s[3], ShapeError);
  EXPECT_THROW(s[-4], ShapeError);
  EXPECT_EQ(s.numel_of(1, 3), 15);
}

TEST(Shape, BroadcastFollowsTheUsualRules) {
  EXPECT_EQ(broadcast_shapes({2, 3, 1}, {5}), (Shape{2, 3, 5}));
  EXPECT_EQ(broadcast_shapes({}, {4}), (Shape{4}));
  EXPECT_EQ(broadcast_shapes({1, 4}, {0, 1}), (Shape{0, 4}));
  EXPECT_THROW(broadcast_shapes({2}, {3}), ShapeError);
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsSpecials) {
  EXPECT_EQ(BFloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(BFloat16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);  // a tie goes to even
  EXPECT_EQ(BFloat16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);
  EXPECT_EQ(BFloat16(std::bit_cast<float>(0x3f808001u)).bits, 0x3f81);
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(static_cast<float>(BFloat16(std::numeric_limits<float>::infinity())),
            std::numeric_limits<float>::infinity());
  EXPECT_EQ(static_cast<float>(BFloat16(std::numeric_limits<float>::max())),
            std::numeric_limits<float>::infinity());
}

TEST(Tensor, HoldsValuesAndChecksTypes) {
  const Tensor t = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(t.size(-1), 3);
  EXPECT_EQ(t.to_vector<float>()[4], 5);
  EXPECT_THROW(t.data<double>(), DTypeError);
  EXPECT_THROW(t.item(), ShapeError);
  EXPECT_THROW(Tensor::from(std::vector<float>{1, 2}, {3}), ShapeError);
  EXPECT_THROW(Tensor().shape(), ValueError);
  EXPECT_EQ(Tensor::full(Shape{}, 2.5, DType::f64).item(), 2.5);
  EXPECT_EQ(Tensor::empty({0, 4}, DType::f32).raw(), nullptr);
}

TEST(Tensor, AliasSharesAndCloneCopies) {
  const Tensor t = Tensor::zeros({2, 2}, DType::f32);
  const Tensor alias = t.alias({4}), copy = t.clone();
  t.data<float>()[3] = 7;
  EXPECT_EQ(alias.data<float>()[3], 7);
  EXPECT_EQ(copy.data<float>()[3], 0);
  EXPECT_THROW(t.alias({3}), ShapeError);
  EXPECT_THROW(Tensor::view(t.storage(), 8, {3}, DType::f32), ShapeError);
}

TEST(Tensor, OnlyFloatingLeavesTakeGradients) {
  Tensor i = Tensor::zeros({2}, DType::i64);
  EXPECT_THROW(i.set_requires_grad(), DTypeError);
  const Tensor f = Tensor::zeros({2}, DType::f32);
  EXPECT_THROW(f.set_grad(Tensor::zeros({3}, DType::f32)), ShapeError);
}

TEST(Tensor, ChecksumSeesEveryByte) {
  const Tensor a = Tensor::zeros({5}, DType::u8), b = a.clone();
  b.data<uint8_t>()[4] = 1;
  EXPECT_NE(checksum(a), checksum(b));
  EXPECT_EQ(checksum_text(Tensor::empty({0}, DType::u8)),
            "cbf29ce484222325");  // FNV's offset basis
}

TEST(Allocator, ReusesBlocksAndCounts) {
  Allocator& allocator = allocator_of(kCpu);
  { const Tensor warm = Tensor::empty({1000}, DType::f32); }
  const AllocatorStats before = allocator.stats();
  for (int i = 0; i < 10; ++i) const Tensor t = Tensor::empty({1000}, DType::f32);
  const AllocatorStats after = allocator.stats();
  EXPECT_EQ(after.requests - before.requests, 10);
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  if (after.cached_bytes > 0) {
    EXPECT_EQ(after.misses, before.misses);  // AddressSanitizer turns the cache off
  }
}

TEST(Allocator, NoAllocScopeRefusesMissesOnly) {
  { const Tensor warm = Tensor::empty({777}, DType::f64); }
  const bool caches = allocator_of(kCpu).stats().cached_bytes > 0;
  const NoAllocScope scope;
  if (caches) {
    EXPECT_NO_THROW(Tensor::empty({777}, DType::f64));
  }
  EXPECT_THROW(Tensor::empty({1 << 22}, DType::f64), Error);
}

TEST(Allocator, ReportsWhatCannotBeHad) {
  try {
    Tensor::empty({int64_t{1} << 50}, DType::u8);
    FAIL() << "a petabyte was allocated";
  } catch (const UserError& e) {
    EXPECT_EQ(e.code(), ErrorCode::out_of_memory);
    EXPECT_NE(std::string(e.what()).find("1125899906842624 bytes"), std::string::npos);
  }
}

class ThreadCounts : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(0); }
};

TEST_P(ThreadCounts, EveryChunkRunsOnce) {
  std::vector<std::atomic<int>> runs(1003);
  parallel_for(std::ssize(runs), [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
  for (const auto& r : runs) EXPECT_EQ(r, 1);
}

TEST_P(ThreadCounts, RangesCoverWithoutOverlap) {
  std::vector<int> seen(1000);
  parallel_ranges(1000, 7, [&](int64_t begin, int64_t end) {
    EXPECT_TRUE(begin % 7 == 0 && end - begin <= 7);
    for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
  });
  EXPECT_EQ(seen, std::vector<int>(1000, 1));
}

TEST_P(ThreadCounts, NestedLoopsRunOnTheirThread) {
  std::atomic<int> total{0};
  parallel_for(8, [&](int64_t) {
    const auto outer = std::this_thread::get_id();
    parallel_for(5, [&](int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), outer);
      ++total;
    });
  });
  EXPECT_EQ(total, 40);
}

TEST_P(ThreadCounts, FirstExceptionReachesTheCaller) {
  EXPECT_THROW(parallel_for(100, [](int64_t i) { ITO_CHECK(i != 63, ValueError, "planted"); }),
               ValueError);
  std::atomic<int> after{0};
  parallel_for(10, [&](int64_t) { ++after; });
  EXPECT_EQ(after, 10);
}

TEST_P(ThreadCounts, ManySmallLoops) {
  int64_t sum = 0;
  for (int i = 0; i < 20000; ++i) {
    std::atomic<int64_t> part{0};
    parallel_for(3, [&](int64_t c) { part += c; });
    sum += part;
  }
  EXPECT_EQ(sum, 60000);
}

INSTANTIATE_TEST_SUITE_P(Parallel, ThreadCounts, ::testing::Values(1, 2, 7));

}  // namespace
}  // namespace ito
