// The pictures of ito toy: what is drawn, and what they show in numbers.
#include <gtest/gtest.h>

#include "tools/run/pitfalls.h"
#include "tools/run/plane_plot.h"

namespace ito::tools {
namespace {

int darkness(const data::Image& image, int row, int column) {
  const int width = image.shape.width;
  return 255 - image.bytes[3 * static_cast<size_t>(row * width + column) + 1];  // of green
}

TEST(PlanePlot, PutsPointsAndArrowsWhereTheyBelong) {
  PlanePlot plot(100, 1);
  const float point[] = {-0.5f, 0.5f};
  plot.dots(point, PlanePlot::kBlue, 2, 1);
  plot.arrow(0, -0.5f, 0.5f, 0, PlanePlot::kRed);
  const data::Image image = plot.image();
  EXPECT_GT(darkness(image, 25, 25), 150);  // x to the right, y up
  EXPECT_EQ(darkness(image, 75, 25), 0);
  EXPECT_GT(darkness(image, 75, 60), 150);
  EXPECT_EQ(darkness(image, 75, 45), 0);
  EXPECT_GT(darkness(image, 73, 72), 50);  // the head is at the end
  EXPECT_EQ(darkness(image, 72, 53), 0);
}

TEST(PlanePlot, DrawsDarkWhereValuesAreHighAndTheFirstRowOnTop) {
  PlanePlot plot(40, 1);
  const float values[] = {1, 0, 0, 0};
  plot.heat(values, 2);
  EXPECT_EQ(darkness(plot.image(), 5, 5), 255);
  EXPECT_EQ(darkness(plot.image(), 35, 5), 0);
  EXPECT_EQ(darkness(plot.image(), 5, 35), 0);
  const auto points = grid_points(2, 1);
  EXPECT_EQ(points, (std::vector<float>{-0.5f, 0.5f, 0.5f, 0.5f, -0.5f, -0.5f, 0.5f, -0.5f}));
}

TEST(Pitfalls, OneNoiseLevelLosesTheWeightsOfTheModesAndManyKeepThem) {
  const MixingDemo demo = show_slow_mixing(1, 1500);
  const double error = 5 * 0.5 / 38.7;  // five standard errors of a share of 1500 points
  EXPECT_NEAR(demo.data, 0.8, error);
  EXPECT_NEAR(demo.plain, 0.5, error);
  EXPECT_NEAR(demo.annealed, 0.8, error);
}

}  // namespace
}  // namespace ito::tools
