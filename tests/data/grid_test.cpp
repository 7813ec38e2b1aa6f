#include "tools/data/grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/core/check.h"

namespace ito::data {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(ToBytes, EveryByteComesBackAndEdgesAreClipped) {
  std::vector<float> values;
  for (int b = 0; b < 256; ++b) values.push_back(float(b) / 255.0f);
  const Bytes nearest = to_bytes(values, Rounding::nearest);
  for (int b = 0; b < 256; ++b) EXPECT_EQ(nearest[size_t(b)], b);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> edges = {-infinity, -1, nan, 0.0f, 0.999f, 1.0f, 7.0f, infinity};
  EXPECT_EQ(to_bytes(edges, Rounding::nearest), (Bytes{0, 0, 0, 0, 255, 255, 255, 255}));
  EXPECT_EQ(to_bytes(edges, Rounding::truncate), (Bytes{0, 0, 0, 0, 254, 255, 255, 255}));
}

TEST(Grid, PlacesImagesRowByRow) {
  // Three 1 x 2 grey images in two columns, margin 1.
  const Image grid = make_grid(Bytes{1, 2, 3, 4, 5, 6}, {1, 2, 1}, {.columns = 2, .background = 9});
  EXPECT_EQ(grid.shape, (ImageShape{8, 10, 1}));  // default margin 2
  const Image tight =
      make_grid(Bytes{1, 2, 3, 4, 5, 6}, {1, 2, 1}, {.columns = 2, .margin = 1, .background = 9});
  EXPECT_EQ(tight.shape, (ImageShape{5, 7, 1}));
  EXPECT_EQ(tight.bytes, (Bytes{9, 9, 9, 9, 9, 9, 9,  //
                                9, 1, 2, 9, 3, 4, 9,  //
                                9, 9, 9, 9, 9, 9, 9,  //
                                9, 5, 6, 9, 9, 9, 9,  //
                                9, 9, 9, 9, 9, 9, 9}));
}

TEST(Grid, ScalesRgbByRepetition) {
  const Image grid = make_grid(Bytes{1, 2, 3, 4, 5, 6}, {1, 2, 3}, {.margin = 0, .scale = 2});
  EXPECT_EQ(grid.shape, (ImageShape{2, 4, 3}));
  const Bytes row = {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6};
  EXPECT_EQ(Bytes(grid.bytes.begin(), grid.bytes.begin() + 12), row);
  EXPECT_EQ(Bytes(grid.bytes.begin() + 12, grid.bytes.end()), row);
}

TEST(Grid, RejectsWhatMakesNoPicture) {
  EXPECT_THROW(make_grid(Bytes(5), {1, 2, 1}), ValueError);
  EXPECT_THROW(make_grid({}, {1, 2, 1}), ValueError);
  EXPECT_THROW(make_grid(Bytes(4), {1, 2, 2}), ValueError);
  EXPECT_THROW(make_grid(Bytes(4), {1, 2, 1}, {.scale = 0}), ValueError);
}

TEST(Scatter, DrawsWhereThePointsAre) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> xy = {1.5f, 1.5f, 100, 0, nan, 0, 0, -std::numeric_limits<float>::max()};
  const Image plot = scatter_plot(xy, {.size = 60, .dot_opacity = 1});
  double rows = 0, columns = 0, ink = 0;
  for (size_t y = 0; y < 60; ++y) {
    for (size_t x = 0; x < 60; ++x) {
      const double dark = 255 - plot.bytes[3 * (y * 60 + x)];
      ink += dark;
      rows += dark * (double(y) + 0.5);
      columns += dark * (double(x) + 0.5);
    }
  }
  // x = 1.5 of [-3, 3] is column 45 of 60; y grows upwards, so it is row 15. One dot of radius 1.5.
  ASSERT_GT(ink, 0);
  EXPECT_NEAR(columns / ink, 45, 1e-6);
  EXPECT_NEAR(rows / ink, 15, 1e-6);
  EXPECT_NEAR(ink / (255 * 0.9), 3.14159 * 1.5 * 1.5, 1.0);
  EXPECT_THROW(scatter_plot(std::vector<float>(3)), ValueError);
}

}  // namespace
}  // namespace ito::data
