// Packed files: byte for byte what went in, told when anything about them has changed; kinds of
// data sets recognised; surveys and statistics.
#include "tools/data/packed.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/data/support.h"
#include "tools/data/npz.h"
#include "tools/data/png.h"
#include "tools/data/recognise.h"
#include "tools/data/survey.h"

namespace ito::data::test {
namespace {

using enum ErrorCode;

class Packed : public TempFolder {
 protected:
  static PackedContent content(uint64_t count, ImageShape shape, int classes) {
    PackedContent c{.name = "test set", .shape = shape, .classes = classes, .count = count};
    c.train = {0, count - 2};
    c.test = {count - 2, 2};
    for (uint64_t i = 0; i < count && classes > 0; ++i) c.labels.push_back(uint8_t(i % 3));
    c.image = [shape](uint64_t i) {
      Bytes bytes(shape.numel());
      for (size_t k = 0; k < bytes.size(); ++k) bytes[k] = uint8_t(i * 31 + k * k);
      return bytes;
    };
    return c;
  }
  Bytes good() {
    write_packed(file("good"), content(5, {3, 2, 3}, 3));
    return read_bytes(file("good"));
  }
  std::unique_ptr<Dataset> open(const std::string& name, Split split = Split::train) {
    return open_dataset({.name = "packed", .path = file(name).string()}, split);
  }
};

TEST_F(Packed, RoundTrip) {
  for (const ImageShape shape : {ImageShape{1, 1, 1}, {3, 5, 3}, {64, 64, 3}}) {
    for (const int classes : {0, 3}) {
      const PackedContent c = content(70, shape, classes);
      const PackedHeader h = write_packed(file("a"), c);
      EXPECT_EQ(h.file_size, std::filesystem::file_size(file("a")));
      EXPECT_EQ(h.pixels_at % 64, 0u);
      const auto train = open("a"), test = open("a", Split::test);
      ASSERT_EQ(train->size(), 68);
      ASSERT_EQ(test->size(), 2);
      EXPECT_EQ(train->shape(), shape);
      EXPECT_EQ(train->classes(), classes);
      EXPECT_TRUE(train->held_out());
      for (int64_t i = 0; i < 70; ++i) {
        const Dataset& set = i < 68 ? *train : *test;
        const int64_t at = i < 68 ? i : i - 68;
        EXPECT_EQ(set.pixels(at), c.image(uint64_t(i)));
        EXPECT_EQ(set.label(at), classes > 0 ? i % 3 : 0);
      }
      EXPECT_EQ(check_packed(file("a")).name, "test set");
      write_packed(file("b"), c);
      EXPECT_EQ(read_bytes(file("a")), read_bytes(file("b")));
    }
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"a", "b"}));
}

/// The layout is a format: the first bytes of a small file, spelled out.
TEST_F(Packed, Layout) {
  const Bytes bytes = good();
  const Bytes start = bytes_of("ITOPACK\n") +
                      Bytes{1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 32), start);
  const auto number = [&](size_t at) {
    uint64_t v = 0;
    std::memcpy(&v, bytes.data() + at, 8);
    return v;
  };
  EXPECT_EQ(number(32), 5u);
  EXPECT_EQ(number(48), 3u);
  EXPECT_EQ(number(56), 3u);
  EXPECT_EQ(number(64), 2u);
  EXPECT_EQ(number(72), 192u);
  EXPECT_EQ(number(80), 256u);
  EXPECT_EQ(number(88), 256u + 5 * 18);
  EXPECT_EQ(Bytes(bytes.begin() + 192, bytes.begin() + 197), (Bytes{0, 1, 2, 0, 1}));
}

TEST_F(Packed, EveryByteIsWatched) {
  const Bytes bytes = good();
  for (size_t at = 0; at < bytes.size(); ++at) {
    Bytes bad = bytes;
    bad[at] ^= 0x10;
    write_bytes(file("bad"), bad);
    EXPECT_THROW(check_packed(file("bad")), UserError) << at;
    // Opening watches the header and the labels.
    if (at < 192) {
      EXPECT_THROW(open("bad"), UserError) << at;
    }
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    write_bytes(file("bad"), Bytes(bytes.begin(), bytes.begin() + ptrdiff_t(size)));

    expect_failure(file_truncated, {"bad"}, [&] { open("bad"); });
  }
  write_bytes(file("bad"), bytes + Bytes{0});
  expect_failure(file_mismatch, {"bad", "347 bytes"}, [&] { open("bad"); });
}

/// A header whose sum is right, but whose numbers lie.
TEST_F(Packed, HeadersThatLie) {
  const Bytes bytes = good();
  const auto lie = [&](std::initializer_list<std::pair<size_t, uint64_t>> changes, size_t width) {
    Bytes bad = bytes;
    for (const auto& [at, value] : changes) std::memcpy(bad.data() + at, &value, width);
    uint64_t sum = 14695981039346656037ull;
    for (size_t i = 0; i < 184; ++i) sum = (sum ^ bad[i]) * 1099511628211ull;
    std::memcpy(bad.data() + 184, &sum, 8);
    write_bytes(file("bad"), bad);
    return [this] {
      open("bad");
      open("bad", Split::test);
    };
  };
  expect_failure(file_unknown, {"version 2"}, lie({{8, 2}}, 4));
  for (const uint64_t n : {uint64_t{0}, uint64_t{65537}, uint64_t{0xFFFFFFFF}}) {
    expect_failure(file_corrupt, {"promises images"}, lie({{12, n}}, 4));
    expect_failure(file_corrupt, {"promises images"}, lie({{16, n}}, 4));
    expect_failure(file_corrupt, {"promises images"}, lie({{20, n}}, 4));
    if (n > 0) expect_failure(file_corrupt, {"promises images"}, lie({{24, n}}, 4));
    if (n > 0) expect_failure(file_corrupt, {"split"}, lie({{40, n}}, 8));
    expect_failure(file_corrupt, {"split"}, lie({{48, n}}, 8));
    expect_failure(file_corrupt, {"contradict"}, lie({{72, n}}, 8));
    expect_failure(file_corrupt, {"contradict"}, lie({{80, n}}, 8));
    expect_failure(file_corrupt, {"contradict"}, lie({{88, n}}, 8));
  }
  for (const uint64_t n : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}}) {
    expect_failure(file_corrupt, {"promises"}, lie({{32, n}}, 8));
  }
  expect_failure(file_corrupt, {"split"}, lie({{56, ~uint64_t{0}}}, 8));
  expect_failure(file_corrupt, {"split"}, lie({{56, ~uint64_t{0}}, {64, 3}}, 8));
  // 2^32 - 1 images and the sizes that belong to them: the file is shorter.
  const uint64_t many = 0xFFFFFFFF, pixels = (192 + many + 63) / 64 * 64;
  expect_failure(file_truncated, {"has 346 bytes"},
                 lie({{32, many}, {80, pixels}, {88, pixels + many * 18}}, 8));
  expect_failure(file_corrupt, {"label 2"}, lie({{24, 2}}, 4));
}

TEST_F(Packed, DamageAtRandom) {
  const Bytes bytes = good();
  std::mt19937 random(20);
  for (int round = 0; round < 500; ++round) {
    Bytes bad = bytes;
    bad[random() % bad.size()] ^= uint8_t(1 + random() % 255);
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    write_bytes(file("bad"), bad);
    try {
      check_packed(file("bad"));
      ADD_FAILURE() << "damage not seen in round " << round;
    } catch (const UserError& error) {
      EXPECT_EQ(exit_code_of(error.code()), 3) << error.what();
    }
  }
}

TEST_F(Packed, FilesThatAreNone) {
  expect_failure(file_missing, {"none"}, [&] { open("none"); });
  expect_failure(file_missing, {}, [&] { open("."); });
  write_bytes(file("text"), Bytes(500, 'x'));
  expect_failure(file_corrupt, {"is no packed data set"}, [&] { open("text"); });
}

TEST_F(Packed, WrittenWholeOrNotAtAll) {
  PackedContent c = content(5, {3, 2, 3}, 0);
  const auto image = c.image;
  c.image = [image](uint64_t i) {
    if (i == 3) fail(file_corrupt, "third.png", "is no picture", "none");
    return image(i);
  };
  write_bytes(file("old"), Bytes{1, 2, 3});
  expect_failure(file_corrupt, {"third.png"}, [&] { write_packed(file("old"), c); });
  EXPECT_EQ(read_bytes(file("old")), (Bytes{1, 2, 3}));
  EXPECT_EQ(names(), std::vector<std::string>{"old"});
  expect_failure(write_failed, {"none/a"}, [&] { write_packed(folder() / "none/a", c); });
  expect_failure(write_failed, {}, [&] { write_packed(folder(), c); });
}

TEST_F(Packed, OpenWhileItIsReplaced) {
  write_packed(file("a"), content(5, {3, 2, 3}, 0));
  const auto set = open("a");
  const Bytes before = set->pixels(2);
  write_packed(file("a"), content(50, {7, 7, 1}, 0));
  EXPECT_EQ(set->pixels(2), before);
  EXPECT_EQ(open("a")->size(), 48);
}

TEST_F(Packed, Recognised) {
  write_packed(file("a.ito"), content(5, {3, 2, 3}, 0));
  write_npz(file("a.npz"), {{"arr_0", Tensor::zeros({3, 2, 2, 1}, DType::u8)}});
  const Bytes png = encode_png(Bytes(12, 3), {2, 2, 3});
  write_bytes(file("a.zip"), zip({{"1.png", png}}));
  write_bytes(file("a-images-idx3-ubyte"), big_endian({2051, 1, 1, 1}) + Bytes{7});
  write_bytes(file("a-labels-idx1-ubyte"), big_endian({2049, 1}) + Bytes{7});
  write_bytes(file("a.csv"), bytes_of("1,2\n"));
  write_bytes(file("a.txt"), bytes_of("1,2\n"));
  for (const char* name : {"pictures", "mnist", "cifar"}) {
    std::filesystem::create_directory(file(name));
  }
  write_bytes(file("pictures/1.png"), png);
  write_bytes(file("mnist/train-images-idx3-ubyte.gz"), {});
  write_bytes(file("cifar/data_batch_1.bin"), {});
  const std::pair<const char*, const char*> kinds[] = {
      {"a.ito", "packed"}, {"a.npz", "npz"},       {"a.zip", "zip"},
      {"a.csv", "csv"},    {"pictures", "folder"}, {"a-images-idx3-ubyte", "mnist"},
      {"mnist", "mnist"},  {"cifar", "cifar10"}};
  for (const auto& [name, kind] : kinds) EXPECT_EQ(recognise(file(name)), kind) << name;
  for (const char* name : {"a.ito", "a.npz", "a.zip", "a.csv", "pictures", "a-images-idx3-ubyte"}) {
    EXPECT_GT(open_dataset({.name = "auto", .path = file(name).string()}, {})->size(), 0) << name;
  }
  expect_failure(file_unknown, {"a.txt"}, [&] { recognise(file("a.txt")); });
  expect_failure(file_missing, {"none"}, [&] { recognise(file("none")); });
  expect_failure(bad_value, {"data.path"}, [&] { open_dataset({.name = "auto"}, {}); });
}

TEST_F(Packed, SurveyNamesWhatCannotBeRead) {
  std::filesystem::create_directories(file("set"));
  write_png(file("set/1.png"), Bytes(48, 9), {4, 4, 3});
  write_bytes(file("set/2.png"), bytes_of("no picture"));
  write_png(file("set/3.png"), Bytes(48, 9), {4, 4, 3});
  write_png(file("set/4.png"), Bytes(16, 9), {4, 4, 1});
  write_png(file("set/5.png"), Bytes(48, 9), {2, 8, 3});
  write_bytes(file("set/6.jpg"), {});
  write_png(file("set/7.png"), Bytes(48, 8), {4, 4, 3});
  std::vector<std::string> lines;
  Survey survey;
  const auto pictures =
      open_pictures({.name = "folder", .path = file("set").string()}, Split::train);
  ASSERT_TRUE(pictures);
  survey.add(*pictures, [&](const UserError& e) { lines.push_back(e.what()); });
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("2.png"), std::string::npos);
  EXPECT_NE(lines[1].find("6.jpg"), std::string::npos);
  EXPECT_EQ(survey.readable(), 5);
  EXPECT_EQ(survey.unreadable(), 2);
  const std::map<std::vector<int>, int64_t> sizes = {
      {{4, 4, 3}, 3}, {{4, 4, 1}, 1}, {{2, 8, 3}, 1}};
  EXPECT_EQ(survey.sizes(), sizes);
  ASSERT_EQ(survey.duplicates().size(), 1u);
  EXPECT_NE(survey.duplicates()[0].first.find("1.png"), std::string::npos);
  EXPECT_NE(survey.duplicates()[0].second.find("3.png"), std::string::npos);
  EXPECT_FALSE(open_pictures({.name = "digits"}, Split::train));
}

TEST_F(Packed, Statistics) {
  Dataset::Content c{.shape = {1, 2, 3}, .classes = 2};
  c.pixels = {0, 255, 10, 0, 255, 30, 255, 255, 20, 255, 255, 40};
  c.labels = {1, 1};
  const Statistics s = statistics_of(Dataset(std::move(c)));
  EXPECT_EQ(s.count, 2);
  EXPECT_EQ(s.classes, (std::vector<int64_t>{0, 2}));
  ASSERT_EQ(s.channels.size(), 3u);
  EXPECT_DOUBLE_EQ(s.channels[0].mean, 0.5);
  EXPECT_DOUBLE_EQ(s.channels[0].standard_deviation, 0.5);
  EXPECT_DOUBLE_EQ(s.channels[1].standard_deviation, 0);
  EXPECT_DOUBLE_EQ(s.channels[2].mean, 25 / 255.0);
  EXPECT_DOUBLE_EQ(s.channels[2].standard_deviation, std::sqrt(125.0) / 255);
  EXPECT_DOUBLE_EQ(s.channels[2].least, 10 / 255.0);
  EXPECT_DOUBLE_EQ(s.channels[2].most, 40 / 255.0);
  Dataset::Content points{.shape = {1, 1, 2}};
  points.points = {1, -2, 3, -2};
  const Statistics p = statistics_of(Dataset(std::move(points)));
  EXPECT_DOUBLE_EQ(p.channels[0].mean, 2);
  EXPECT_DOUBLE_EQ(p.channels[0].standard_deviation, 1);
  EXPECT_DOUBLE_EQ(p.channels[1].most, -2);
}

}  // namespace
}  // namespace ito::data::test
