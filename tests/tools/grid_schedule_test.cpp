// When grids are drawn.
#include "tools/run/grid_schedule.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace ito::tools {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

std::vector<int64_t> due_of(int64_t every, double cost, int64_t end) {
  const GridSchedule schedule(every, cost);
  std::vector<int64_t> list;
  for (int64_t step = 0; step < end; ++step) {
    if (schedule.due(step)) list.push_back(step);
  }
  return list;
}

using List = std::vector<int64_t>;

TEST(GridSchedule, OneTwoFiveUntilTheFirstRegularGrid) {
  EXPECT_EQ(due_of(1000, 1, 3001), (List{0, 10, 20, 50, 100, 200, 500, 1000, 2000, 3000}));
  EXPECT_EQ(due_of(50, 0, 151), (List{0, 10, 20, 50, 100, 150}));
  EXPECT_EQ(due_of(8, 0, 25), (List{0, 8, 16, 24}));
  EXPECT_EQ(due_of(10, 0, 25), (List{0, 10, 20}));
  EXPECT_EQ(due_of(300, kNever, 1000), (List{0, 300, 600, 900}));
  EXPECT_EQ(due_of(0, 0, 1000), List{});
}

TEST(GridSchedule, EarlyGridsCostAtMostFourPercent) {
  // 40 steps of 1000 pay for three grids of 13 steps, and not for four.
  EXPECT_EQ(due_of(1000, 13, 1001), (List{0, 100, 200, 500, 1000}));
  EXPECT_EQ(due_of(1000, 40, 1001), (List{0, 500, 1000}));
  EXPECT_EQ(due_of(1000, 40.1, 1001), (List{0, 1000}));
}

TEST(GridSchedule, CostCountsForwardPasses) {
  samplers::SamplingConfig c{.corrector = "none", .steps = 150};
  EXPECT_DOUBLE_EQ(grid_cost(c, 16, 64), 16 * 150 / (3 * 64.0));
  c.corrector = "langevin";
  c.corrector_steps = 2;
  EXPECT_DOUBLE_EQ(grid_cost(c, 16, 64), 3 * 16 * 150 / (3 * 64.0));
  c.method = "ode";
  EXPECT_EQ(grid_cost(c, 16, 64), kNever);  // it chooses its steps
  c.solver = "heun";
  EXPECT_LT(grid_cost(c, 16, 64), kNever);
}

TEST(SideBySide, RowsBesideRows) {
  const data::Image left{{2, 1, 3}, {1, 2, 3, 4, 5, 6}},
      right{{2, 2, 3}, {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}};
  const data::Image both = side_by_side(left, right);
  EXPECT_EQ(both.shape, (data::ImageShape{2, 3, 3}));
  EXPECT_EQ(both.bytes,
            (std::vector<uint8_t>{1, 2, 3, 7, 8, 9, 10, 11, 12, 4, 5, 6, 13, 14, 15, 16, 17, 18}));
}

}  // namespace
}  // namespace ito::tools
