// Folders of PNG and JPEG files: order, splits, classes, framing, and files that are no pictures.
#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "tests/data/support.h"
#include "tools/data/dataset.h"
#include "tools/data/jpeg.h"
#include "tools/data/png.h"
#include "tools/data/resize.h"

namespace ito::data::test {
namespace {

Image flat(int height, int width, std::vector<uint8_t> colour) {
  Image image{{height, width, int(colour.size())}, {}};
  for (int i = 0; i < height * width; ++i) {
    for (const uint8_t c : colour) image.bytes.push_back(c);
  }
  return image;
}

Bytes jpeg_of(const Image& image, int sampling) {
  const auto handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(0, tjCompress2(handle, image.bytes.data(), image.shape.width, 0, image.shape.height,
                           image.shape.channels == 1 ? TJPF_GRAY : TJPF_RGB, &out, &size, sampling,
                           100, TJFLAG_ACCURATEDCT));
  Bytes bytes(out, out + size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

DataConfig config_of(const std::string& path, int size, int channels = 3) {
  DataConfig config;
  config.name = "folder";
  config.path = path;
  config.image_size = size;
  config.channels = channels;
  return config;
}

class Folder : public TempFolder {};

TEST(Resize, KeepsFlatPicturesAndMeans) {
  const Image image = flat(37, 23, {7, 130, 255});
  for (const Filter filter : {Filter::bilinear, Filter::bicubic}) {
    for (const int size : {8, 23, 64}) {
      EXPECT_EQ(resized(image, size, size, filter).bytes, flat(size, size, {7, 130, 255}).bytes);
    }
  }
  // Halving by the antialiased triangle: weights 1, 3, 3, 1 over 8.
  const Image ramp{{1, 8, 1}, {0, 16, 32, 48, 64, 80, 96, 112}};
  EXPECT_EQ(resized(ramp, 1, 4, Filter::bilinear).bytes, (Bytes{11, 40, 72, 101}));
}

/// A straight line is kept by interpolation away from the borders.
TEST(Resize, BicubicKeepsLines) {
  Image ramp{{1, 40, 1}, {}};
  for (int i = 0; i < 40; ++i) ramp.bytes.push_back(uint8_t(6 * i));
  const Image out = resized(ramp, 1, 60, Filter::bicubic);
  for (int i = 6; i < 54; ++i) {
    const double exact = 6 * ((i + 0.5) * 40 / 60 - 0.5);
    EXPECT_NEAR(out.bytes[size_t(i)], exact, 0.51) << i;
  }
}

TEST_F(Folder, OrderClassesAndFraming) {
  std::filesystem::create_directories(folder() / "b");
  std::filesystem::create_directories(folder() / "a");
  write_png(folder() / "b" / "1.png", flat(20, 10, {10, 20, 30}));
  write_png(folder() / "a" / "2.PNG", flat(9, 12, {40}));
  write_bytes(file("a/3.jpeg"), jpeg_of(flat(16, 16, {200, 100, 50}), TJSAMP_444));
  write_bytes(file("a/notes.txt"), Bytes{1, 2, 3});
  const auto set = open_dataset(config_of(folder().string(), 8), Split::train);
  ASSERT_EQ(set->size(), 3);
  EXPECT_EQ(set->classes(), 2);
  EXPECT_EQ(set->label(0), 0);
  EXPECT_EQ(set->label(2), 1);
  EXPECT_EQ(set->pixels(0), flat(8, 8, {40, 40, 40}).bytes);
  EXPECT_EQ(set->pixels(2), flat(8, 8, {10, 20, 30}).bytes);
  const std::vector<uint8_t> jpeg = set->pixels(1);
  for (size_t i = 0; i < jpeg.size(); ++i) {
    EXPECT_NEAR(jpeg[i], (std::array{200, 100, 50})[i % 3], 2) << i;  // colour transform's rounding
  }
  std::vector<float> values(8 * 8 * 3);
  set->read(2, values);
  EXPECT_EQ(values[1], 20 / 255.0f);
}

TEST_F(Folder, SplitsAreDisjointAndComplete) {
  for (int i = 0; i < 220; ++i) {
    write_png(folder() / (std::to_string(1000 + i) + ".png"), flat(4, 4, {uint8_t(i)}));
  }
  const auto config = config_of(folder().string(), 0, 0);
  const auto train = open_dataset(config, Split::train), test = open_dataset(config, Split::test);
  EXPECT_EQ(train->size(), 209);
  EXPECT_EQ(test->size(), 11);
  std::vector<int> seen(220, 0);
  for (const auto* set : {train.get(), test.get()}) {
    for (int64_t i = 0; i < set->size(); ++i) ++seen[set->pixels(i)[0]];
  }
  EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), 220);
  EXPECT_EQ(*std::ranges::max_element(seen), 1);
}

TEST_F(Folder, NamedSplitsAndPublishedFrames) {
  std::filesystem::create_directories(folder() / "train");
  std::filesystem::create_directories(folder() / "val");
  write_png(folder() / "train" / "x.png", flat(218, 178, {9, 9, 9}));
  write_png(folder() / "val" / "y.png", flat(100, 178, {9, 9, 9}));
  auto config = config_of(folder().string(), 64);
  config.name = "celeba";
  EXPECT_EQ(open_dataset(config, Split::train)->pixels(0).size(), size_t{64 * 64 * 3});
  const auto test = open_dataset(config, Split::test);
  expect_failure(ErrorCode::file_mismatch, {"y.png", "100 x 178"}, [&] { test->pixels(0); });
  config.name = "lsun_bedroom";
  EXPECT_EQ(open_dataset(config, Split::test)->pixels(0), flat(64, 64, {9, 9, 9}).bytes);
}

TEST_F(Folder, WithTrainAloneNothingIsInBothSplits) {
  std::filesystem::create_directories(folder() / "train");
  for (int i = 0; i < 200; ++i) {
    write_png(folder() / "train" / (std::to_string(1000 + i) + ".png"), flat(2, 2, {uint8_t(i)}));
  }
  const auto config = config_of(folder().string(), 0, 0);
  EXPECT_EQ(open_dataset(config, Split::train)->size(), 190);
  const auto test = open_dataset(config, Split::test);
  EXPECT_EQ(test->size(), 10);
  EXPECT_EQ(test->pixels(0)[0], 19);
  EXPECT_TRUE(test->held_out());
}

TEST_F(Folder, LabelsFile) {
  std::filesystem::create_directories(folder() / "a");
  std::filesystem::create_directories(folder() / "b");
  write_png(folder() / "a" / "1.png", flat(2, 2, {1}));
  write_png(folder() / "b" / "2.png", flat(2, 2, {2}));
  write_bytes(file("dataset.json"), bytes_of(R"({"labels": [["b/2.png", 0], ["a/1.png", 4]]})"));
  const auto set = open_dataset(config_of(folder().string(), 0, 0), Split::train);
  EXPECT_EQ(set->classes(), 5);
  EXPECT_EQ(set->label(0), 4);
  EXPECT_EQ(set->label(1), 0);
  write_bytes(file("dataset.json"), bytes_of(R"({"labels": [["b/2.png", 0]]})"));
  expect_failure(ErrorCode::file_mismatch, {"dataset.json", "no label for a/1.png"},
                 [&] { open_dataset(config_of(folder().string(), 0, 0), Split::train); });
}

TEST_F(Folder, RefusesWhatIsTooLongToFit) {
  auto config = config_of(folder().string(), 64);
  config.name = "lsun_church";
  write_png(folder() / "x.png", flat(1, 40, {9, 9, 9}));
  const auto set = open_dataset(config, Split::train);
  expect_failure(ErrorCode::file_mismatch, {"x.png", "1 x 40"}, [&] { set->pixels(0); });
}

TEST_F(Folder, RefusesWhatIsNoPicture) {
  const auto config = config_of(folder().string(), 8);
  expect_failure(ErrorCode::file_missing, {"no .png"}, [&] { open_dataset(config, Split::train); });
  expect_failure(ErrorCode::file_missing, {"is no folder"},
                 [&] { open_dataset(config_of("/nonexistent", 8), Split::train); });
  expect_failure(ErrorCode::bad_value, {"data.path"},
                 [&] { open_dataset(config_of("", 8), Split::train); });
  const Bytes good = jpeg_of(flat(16, 16, {200, 100, 50}), TJSAMP_420);
  for (const size_t length : {size_t{0}, size_t{1}, size_t{20}, good.size() / 2, good.size() - 3}) {
    write_bytes(file("x.jpg"), Bytes(good.begin(), good.begin() + std::ptrdiff_t(length)));
    expect_failure(length == 0 ? ErrorCode::file_truncated : ErrorCode::file_corrupt, {"x.jpg"},
                   [&] { read_jpeg(folder() / "x.jpg"); });
  }
}

}  // namespace
}  // namespace ito::data::test
