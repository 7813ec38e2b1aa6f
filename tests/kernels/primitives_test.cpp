// Sorting, segments and neighbours against brute force, at sizes around pieces and chunks, where
// the table of samples is too small to reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/autograd/call.h"
#include "kernels/segment_reduce/op.h"
#include "kernels/sort/op.h"
#include "kernels/squared_distances/neighbours.h"
#include "kernels/squared_distances/op.h"
#include "tests/kernels/exact.h"

namespace ito {

const OpInfo& op_squared_distances();

namespace testing {
namespace {

using ops::SegmentKind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor row(const std::vector<double>& values) {
  return Tensor::from(std::vector<float>(values.begin(), values.end()),
                      {static_cast<int64_t>(values.size())});
}
Tensor offsets_of(const std::vector<int64_t>& list) {
  return Tensor::from(list, {static_cast<int64_t>(list.size())});
}

/// Squared distance of two rows of small integers, exactly.
double squared(const Tensor& a, int64_t i, const Tensor& b, int64_t j) {
  const int64_t depth = a.numel() / a.size(0);
  double sum = 0;
  for (int64_t d = 0; d < depth; ++d) {
    const double x = a.data<float>()[i * depth + d], y = b.data<float>()[j * depth + d];
    sum += (x - y) * (x - y);
  }
  return sum;
}

// Sizes around a panel of 32 columns, 4 rows in registers and blocks of 64 rows.
TEST(SquaredDistances, AreExactOnIntegers) {
  for (const int64_t m : {1, 3, 4, 63, 64, 65}) {
    for (const int64_t n : {1, 15, 16, 17, 31, 32, 33, 100}) {
      const Tensor a = small_integers({m, 7}, DType::f32, 1);
      const Tensor b = small_integers({n, 7}, DType::f32, 2);
      const Tensor y = ops::squared_distances(a, b);
      for (int64_t i = 0; i < m * n; ++i) {
        ASSERT_EQ(y.data<float>()[i], squared(a, i / n, b, i % n)) << m << " " << n << " at " << i;
      }
    }
  }
}

// |a|^2 - 2 a.b + |b|^2 would leave nothing of this.
TEST(SquaredDistances, DoNotCancelFarFromZero) {
  const Tensor a = Tensor::from<float>({4096.25f, -8192.5f}, {1, 2});
  const Tensor b = Tensor::from<float>({4096.5f, -8192.0f, 4096.25f, -8192.5f}, {2, 2});
  const Tensor y = ops::squared_distances(a, b);
  EXPECT_EQ(y.data<float>()[0], 0.0625f + 0.25f);
  EXPECT_EQ(y.data<float>()[1], 0.0f);
}

TEST(SquaredDistances, NanAndInfinityStayInTheirRow) {
  const auto inf = static_cast<float>(kInfinity);
  const Tensor a = Tensor::from<float>({1, static_cast<float>(kNan), 2, inf}, {4, 1});
  const std::vector<float> y =
      ops::squared_distances(a, Tensor::from<float>({1, inf}, {2, 1})).to_vector<float>();
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], inf);
  EXPECT_TRUE(std::isnan(y[2]) && std::isnan(y[3]));
  EXPECT_EQ(y[4], 1);
  EXPECT_EQ(y[6], inf);
  EXPECT_TRUE(std::isnan(y[7]));  // infinity - infinity
}

// The kernel of the device and the CPU's add in the same order, here over all its paths: rows of
// whole words and others, an address that is not aligned, several tiles.
TEST(SquaredDistances, GpuKernelHasTheBitsOfTheCpu) {
  if (!is_available(kEmulated)) GTEST_SKIP() << "no emulator in this build";
  struct Size {
    int64_t m, n, depth, skipped;
  };
  const int64_t before =
      execution_counts(op_squared_distances(), DeviceKind::emulated).cpu_fallback;
  for (const Size s : {Size{70, 130, 72, 0}, {65, 3, 33, 0}, {5, 66, 64, 1}, {1, 1, 200, 0}}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensor wide = fractions({s.m * s.depth + s.skipped}, dtype, 3);
      const Tensor b = fractions({s.n, s.depth}, dtype, 4);
      const size_t offset = static_cast<size_t>(s.skipped) * size_of(dtype);
      const auto a_of = [&](const Tensor& storage) {
        return Tensor::view(storage.storage(), offset, {s.m, s.depth}, dtype);
      };
      const Tensor host = ops::squared_distances(a_of(wide), b);
      const Tensor device = ops::squared_distances(a_of(wide.to(kEmulated)), b.to(kEmulated));
      EXPECT_TRUE(same_bits(host, device.to(kCpu)))
          << s.m << " " << s.n << " " << s.depth << " " << name_of(dtype);
    }
  }
  EXPECT_EQ(execution_counts(op_squared_distances(), DeviceKind::emulated).cpu_fallback, before);
}

TEST(Sort, EqualValuesKeepTheirOrder) {
  constexpr int64_t kCount = 5000;
  const Tensor x = small_integers({2, kCount}, DType::f32, 5);
  const ops::Sorted sorted = ops::sort(x);
  for (int64_t r = 0; r < 2; ++r) {
    const int64_t* order = sorted.order.data<int64_t>() + r * kCount;
    std::vector<int> seen(kCount, 0);
    for (int64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(++seen[static_cast<size_t>(order[i])], 1);
      const float* v = sorted.values.data<float>() + r * kCount + i;
      ASSERT_EQ(*v, x.data<float>()[r * kCount + order[i]]);
      if (i == 0) continue;
      ASSERT_TRUE(v[-1] < *v || (v[-1] == *v && order[i - 1] < order[i])) << "at " << i;
    }
  }
}

TEST(Sort, ZerosAreEqualAndNanIsLast) {
  const Tensor x = row({kNan, 0.0, -kInfinity, -0.0, kInfinity, -kNan, 0.0, -1}).alias({1, 8});
  const ops::Sorted sorted = ops::sort(x);
  EXPECT_EQ(sorted.order.to_vector<int64_t>(), (std::vector<int64_t>{2, 7, 1, 3, 6, 4, 0, 5}));
  EXPECT_TRUE(std::signbit(sorted.values.data<float>()[3]));  // -0 keeps its sign
  EXPECT_TRUE(std::isnan(sorted.values.data<float>()[7]));
}

// One segment of several pieces of 16384 elements, between short ones.
TEST(SegmentReduce, LongAndShortSegments) {
  constexpr int64_t kCount = 100003;
  const Tensor x = small_integers({kCount}, DType::f32, 6);
  x.data<float>()[50000] = -7;
  x.data<float>()[70000] = -7;
  x.data<float>()[60000] = 9;
  const std::vector<int64_t> at = {1, 2, 2, 99990, 100001, 100003};
  const auto reduce = [&](SegmentKind kind) {
    return ops::segment_reduce(x, offsets_of(at), kind);
  };
  const std::vector<float> sum = reduce(SegmentKind::sum).to_vector<float>();
  const std::vector<float> max = reduce(SegmentKind::max).to_vector<float>();
  const std::vector<float> min = reduce(SegmentKind::min).to_vector<float>();
  const std::vector<int64_t> place = reduce(SegmentKind::argmin).to_vector<int64_t>();
  for (size_t s = 0; s + 1 < at.size(); ++s) {
    const float *begin = x.data<float>() + at[s], *end = x.data<float>() + at[s + 1];
    EXPECT_EQ(sum[s], std::accumulate(begin, end, 0.0)) << s;
    if (begin == end) {
      EXPECT_EQ(max[s], -kInfinity);
      EXPECT_EQ(min[s], kInfinity);
      EXPECT_EQ(place[s], -1);
    } else {
      EXPECT_EQ(max[s], *std::max_element(begin, end)) << s;
      EXPECT_EQ(min[s], *std::min_element(begin, end)) << s;
      EXPECT_EQ(place[s], std::min_element(begin, end) - begin) << s;
    }
  }
  EXPECT_EQ(place[2], 50000 - 2);
}

// 2^24 + 1 is no float; a sum in float would stay at 2^24.
TEST(SegmentReduce, SumsAreInDouble) {
  std::vector<float> x(1 << 15, 1.0f);
  x[0] = 0x1p24f;
  const Tensor y =
      ops::segment_reduce(Tensor::from(x, {1 << 15}), offsets_of({0, 1 << 15}), SegmentKind::sum);
  EXPECT_EQ(y.item(), 0x1p24 + (1 << 15));
}

TEST(SegmentReduce, NanWins) {
  const Tensor x = row({1, kNan, -kInfinity, kNan, 2});
  const Tensor at = offsets_of({0, 5});
  for (const SegmentKind kind : {SegmentKind::sum, SegmentKind::max, SegmentKind::min}) {
    EXPECT_TRUE(std::isnan(ops::segment_reduce(x, at, kind).item()));
  }
  EXPECT_EQ(ops::segment_reduce(x, at, SegmentKind::argmin).item(), 1);
}

/// Corners of a box far out, at both ends of a set that takes several chunks of 4096 rows.
Tensor set_with_corners(int64_t rows) {
  const Tensor x = small_integers({rows, 3}, DType::f32, 7);
  for (int64_t d = 0; d < 3; ++d) {
    x.data<float>()[17 * 3 + d] = -40;
    x.data<float>()[(rows - 1) * 3 + d] = 30;
  }
  return x;
}

TEST(LargestDistance, IsTheMaximumOverAllPairs) {
  for (const int64_t rows : {2, 65, 130}) {
    const Tensor x = small_integers({rows, 2, 2}, DType::f32, static_cast<uint64_t>(rows));
    double largest = 0;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < rows; ++j) largest = std::max(largest, squared(x, i, x, j));
    }
    EXPECT_EQ(largest_distance(x), std::sqrt(largest)) << rows;
  }
}

TEST(LargestDistance, AcrossChunks) {
  EXPECT_EQ(largest_distance(set_with_corners(2 * 4096 + 5)), std::sqrt(3.0 * 70 * 70));
}

TEST(LargestDistance, Edges) {
  EXPECT_EQ(largest_distance(row({5})), 0);
  EXPECT_THROW(largest_distance(Tensor::empty({0, 3}, DType::f32)), ShapeError);
  EXPECT_THROW(largest_distance(Tensor::full({}, 1, DType::f32)), ShapeError);
  EXPECT_TRUE(std::isnan(largest_distance(row({1, kNan, 2}))));
}

/// Brute force over everything, the lowest index of ties.
void expect_nearest(const Tensor& queries, const Tensor& data, const Neighbours& found) {
  ASSERT_EQ(found.index.shape(), Shape{queries.size(0)});
  ASSERT_EQ(found.distance.shape(), Shape{queries.size(0)});
  const std::vector<int64_t> index = found.index.to_vector<int64_t>();
  const std::vector<float> distance = found.distance.to_vector<float>();
  for (int64_t i = 0; i < queries.size(0); ++i) {
    double best = kInfinity;
    int64_t where = -1;
    for (int64_t j = 0; j < data.size(0); ++j) {
      const double d = squared(queries, i, data, j);
      if (d < best) where = j;
      best = std::min(best, d);
    }
    ASSERT_EQ(index[static_cast<size_t>(i)], where) << "query " << i;
    ASSERT_EQ(distance[static_cast<size_t>(i)], std::sqrt(static_cast<float>(best)));
  }
}

TEST(NearestNeighbours, AreThoseOfBruteForce) {
  const Tensor queries = small_integers({37, 2, 3}, DType::f32, 8);
  const Tensor data = small_integers({111, 2, 3}, DType::f32, 9);
  expect_nearest(queries, data, nearest_neighbours(queries, data));
}

// Integers repeat, so that most queries have equally near rows in both chunks.
TEST(NearestNeighbours, AcrossChunksOfData) {
  const Tensor queries = small_integers({50, 3}, DType::f32, 10);
  const Tensor data = set_with_corners(4096 + 33);
  for (int64_t d = 0; d < 3; ++d) queries.data<float>()[d] = 29;  // the last row is its nearest
  const Neighbours found = nearest_neighbours(queries, data);
  expect_nearest(queries, data, found);
  EXPECT_EQ(found.index.data<int64_t>()[0], 4096 + 32);
}

TEST(NearestNeighbours, AcrossChunksOfQueries) {
  const Tensor queries = small_integers({4096 + 7, 5}, DType::f32, 11);
  const Tensor data = small_integers({9, 5}, DType::f32, 12);
  expect_nearest(queries, data, nearest_neighbours(queries, data));
}

TEST(NearestNeighbours, Edges) {
  const Tensor some = small_integers({3, 4}, DType::f32, 13);
  const Tensor none = Tensor::empty({0, 4}, DType::f32);
  EXPECT_EQ(nearest_neighbours(none, some).index.numel(), 0);
  EXPECT_EQ(nearest_neighbours(none, none).distance.numel(), 0);
  EXPECT_THROW(nearest_neighbours(some, none), ShapeError);
  EXPECT_THROW(nearest_neighbours(some, small_integers({3, 5}, DType::f32, 1)), ShapeError);
  EXPECT_THROW(nearest_neighbours(some, small_integers({3, 4}, DType::bf16, 1)), DTypeError);
  const Neighbours wide = nearest_neighbours(small_integers({2, 3}, DType::f64, 1),
                                             small_integers({4, 3}, DType::f64, 2));
  EXPECT_EQ(wide.distance.dtype(), DType::f64);
}

TEST(NearestNeighbours, OnADevice) {
  if (!is_available(kEmulated)) GTEST_SKIP() << "no emulator in this build";
  const Tensor queries = small_integers({7, 6}, DType::f32, 14);
  const Tensor data = small_integers({70, 6}, DType::f32, 15);
  const Neighbours found = nearest_neighbours(queries.to(kEmulated), data.to(kEmulated));
  EXPECT_EQ(found.index.device(), kEmulated);
  EXPECT_EQ(found.distance.device(), kEmulated);
  expect_nearest(queries, data, found);
  EXPECT_EQ(largest_distance(data.to(kEmulated)), largest_distance(data));
}

}  // namespace
}  // namespace testing
}  // namespace ito
