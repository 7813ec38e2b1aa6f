// Archives of pictures: order, labels, splits, and archives made to harm.
#include "tools/data/zip_images.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#include "tests/data/support.h"
#include "tools/data/labels_file.h"
#include "tools/data/png.h"
#include "tools/data/zip_file.h"

namespace ito::data::test {
namespace {

using enum ErrorCode;
using Packing = ZipEntry::Packing;

/// A PNG of one colour.
Bytes png(uint8_t red, int side = 4) {
  Bytes pixels;
  for (int i = 0; i < side * side; ++i) pixels.insert(pixels.end(), {red, 7, 9});
  return encode_png(pixels, {side, side, 3});
}

class ZipImages : public TempFolder {
 protected:
  std::unique_ptr<Dataset> open(const std::vector<ZipEntry>& entries, Split split = Split::train) {
    write_bytes(file("a.zip"), zip(entries));
    return open_dataset({.name = "zip", .path = file("a.zip").string()}, split);
  }
  void refused(ErrorCode code, std::initializer_list<std::string_view> fragments,
               const std::vector<ZipEntry>& entries) {
    expect_failure(code, fragments, [&] { open(entries)->pixels(0); });
  }
};

std::vector<ZipEntry> with_labels(const std::string& json) {
  return {{"00001/b.png", png(20)}, {"dataset.json", bytes_of(json)}, {"00000/a.PNG", png(10)}};
}

TEST_F(ZipImages, OrderOfNamesAndLabels) {
  for (const Packing packing : {Packing::stored, Packing::deflated}) {
    auto entries = with_labels(
        R"({"extra": [1, {"labels": 5}], "labels": [["00001/b.png", 0], ["00000/a.PNG", 2],
            ["gone.png", 3]], "more": null})");
    for (ZipEntry& e : entries) e.packing = packing;
    entries.push_back({"notes.txt", bytes_of("no picture")});
    entries.push_back({"00001/", {}});
    const auto set = open(entries);
    ASSERT_EQ(set->size(), 2);
    EXPECT_EQ(set->pixels(0)[0], 10);
    EXPECT_EQ(set->pixels(1)[0], 20);
    EXPECT_EQ(set->classes(), 4);  // of the whole file, so that both splits agree
    EXPECT_EQ(set->label(0), 2);
    EXPECT_EQ(set->label(1), 0);
    EXPECT_FALSE(set->held_out());
    EXPECT_EQ(set->sample_name(1), file("a.zip").string() + " (00001/b.png)");
  }
  EXPECT_EQ(names(), std::vector<std::string>{"a.zip"});
}

TEST_F(ZipImages, WithoutLabels) {
  EXPECT_EQ(open({{"0/a.png", png(1)}, {"1/b.png", png(2)}})->classes(), 0);
  EXPECT_EQ(open(with_labels(R"({"labels": null})"))->classes(), 0);
  EXPECT_EQ(open(with_labels("{}"))->classes(), 0);
  EXPECT_EQ(
      open(with_labels(R"({"labels": null, "labels": [["00000/a.PNG",1],["00001/b.png",0]]})"))
          ->classes(),
      2);
}

TEST_F(ZipImages, LabelsThatAreNone) {
  const auto bad = [&](ErrorCode code, std::string_view fragment, const std::string& json) {
    refused(code, {"a.zip (dataset.json)", fragment}, with_labels(json));
  };
  bad(file_corrupt, "is no JSON", "");
  bad(file_corrupt, "is no JSON", "{\"labels\": [");
  bad(file_corrupt, "is no JSON", "\xff\xfe{}");
  bad(file_corrupt, "is no object", "[]");
  bad(file_corrupt, "is no object", "7");
  bad(file_corrupt, "no list", R"({"labels": 5})");
  bad(file_corrupt, "an object", R"({"labels": {}})");
  bad(file_corrupt, "a null", R"({"labels": [null]})");
  bad(file_corrupt, "without", R"({"labels": [["00000/a.PNG"]]})");
  bad(file_unknown, "no class numbers", R"({"labels": [["00000/a.PNG", [0, 1]]]})");
  bad(file_unknown, "no class numbers", R"({"labels": [["00000/a.PNG", 1.5]]})");
  bad(file_unknown, "no class numbers", R"({"labels": [["00000/a.PNG", "cat"]]})");
  bad(file_unknown, "no class numbers", R"({"labels": [3]})");
  bad(file_unknown, "no class numbers", R"({"labels": [["00000/a.PNG", 1, 2]]})");
  bad(file_mismatch, "class -1", R"({"labels": [["00000/a.PNG", -1]]})");
  bad(file_mismatch, "class 256", R"({"labels": [["00000/a.PNG", 256]]})");
  bad(file_mismatch, "class -1", R"({"labels": [["00000/a.PNG", 18446744073709551615]]})");
  bad(file_mismatch, "no label for 00001/b.png", R"({"labels": [["00000/a.PNG", 1]]})");
  bad(file_mismatch, "\\x1B[2J", "{\"labels\": [[\"\\u001b[2J\", 999]]}");
  // Depth costs a bit a level.
  bad(file_corrupt, "is no JSON", "{\"x\": " + std::string(1'000'000, '['));
}

TEST_F(ZipImages, Splits) {
  std::vector<ZipEntry> entries{
      {"train/1.png", png(1)}, {"train/2.png", png(2)}, {"val/3.png", png(3)}};
  EXPECT_EQ(open(entries)->size(), 2);
  EXPECT_TRUE(open(entries)->held_out());
  EXPECT_EQ(open(entries, Split::test)->pixels(0)[0], 3);
  entries.clear();
  for (int i = 0; i < 220; ++i) {
    entries.push_back({std::to_string(1000 + i) + ".png", png(uint8_t(i), 2)});
  }
  const auto train = open(entries), test = open(entries, Split::test);
  EXPECT_EQ(train->size(), 209);
  EXPECT_EQ(test->size(), 11);
  EXPECT_EQ(test->pixels(0)[0], 19);
  EXPECT_EQ(train->pixels(19)[0], 20);
}

TEST_F(ZipImages, NamesNeverBecomePaths) {
  const auto set = open({{"../../../escaped.png", png(1)},
                         {"/etc/escaped.png", png(2)},
                         {"a\x1b[2J\n.png", png(3)},
                         {"C:\\escaped.png", png(4)}});
  ASSERT_EQ(set->size(), 4);
  for (int64_t i = 0; i < 4; ++i) set->pixels(i);
  EXPECT_EQ(names(), std::vector<std::string>{"a.zip"});
  EXPECT_FALSE(std::filesystem::exists(folder().parent_path() / "escaped.png"));
  refused(file_corrupt, {"a\\x1B[2J\\x0A.png"}, {{"a\x1b[2J\n.png", bytes_of("no picture")}});
}

TEST_F(ZipImages, Bombs) {
  // 200 MB of zeros in 200 kB are unpacked only as far as a picture may be large, and are none.
  refused(file_corrupt, {"a.zip (a.png)", "no valid PNG"},
          {{"a.png", Bytes(20'000'000, 0), Packing::deflated}});
  // A claim beyond what deflate can do, or beyond any picture, is refused before memory is touched.
  refused(file_corrupt, {"claims 4294967294 bytes"},
          {{"a.png", Bytes(5000, 0), Packing::deflated, 0xFFFFFFFE}});
  refused(file_corrupt, {"claims 100000000 bytes"},
          {{"a.png", Bytes(5000, 0), Packing::deflated, 100'000'000}});
  refused(file_corrupt, {"cannot be unpacked"},
          {{"a.png", Bytes(5000, 0), Packing::deflated, 20'000}});
  refused(file_corrupt, {"cannot be unpacked"}, {{"a.png", png(1), Packing::deflated, 20}});
}

TEST_F(ZipImages, ArchivesThatAreNone) {
  refused(file_missing, {"a.zip", "holds no .png"}, {{"a.txt", bytes_of("x")}});
  refused(file_missing, {"a.zip", "holds no .png"}, {});
  for (const std::string text : {"", "x", "PK", "PK\x05\x06", "PK\x03\x04 and more"}) {
    write_bytes(file("a.zip"), bytes_of(text));
    expect_failure(file_corrupt, {"a.zip"}, [&] {
      open_dataset({.name = "zip", .path = file("a.zip").string()}, Split::train);
    });
  }
  expect_failure(file_missing, {"none.zip"}, [&] {
    open_dataset({.name = "zip", .path = file("none.zip").string()}, Split::train);
  });
  expect_failure(bad_value, {"data.path"}, [&] { open_dataset({.name = "zip"}, Split::train); });
}

TEST_F(ZipImages, DamagedAnywhere) {
  std::vector<ZipEntry> entries =
      with_labels(R"({"labels": [["00001/b.png", 0], ["00000/a.PNG", 1]]})");
  for (const Packing packing : {Packing::stored, Packing::deflated}) {
    for (ZipEntry& e : entries) e.packing = packing;
    const Bytes good = zip(entries);
    std::mt19937 random(20);
    int refusals = 0;
    for (int round = 0; round < 600; ++round) {
      Bytes bad = good;
      for (uint32_t k = 0; k <= random() % 4; ++k) {
        bad[random() % bad.size()] = random() % 4 ? uint8_t(random()) : 0xFF;
      }
      if (random() % 8 == 0) bad.resize(random() % bad.size());
      write_bytes(file("b.zip"), bad);
      try {
        const auto set =
            open_dataset({.name = "zip", .path = file("b.zip").string()}, Split::train);
        for (int64_t i = 0; i < set->size(); ++i) set->pixels(i);
      } catch (const UserError& error) {
        ++refusals;
        EXPECT_EQ(exit_code_of(error.code()), 3) << error.what();
      }
    }
    EXPECT_GT(refusals, 200);
  }
}

TEST_F(ZipImages, ManyThreads) {
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 60; ++i) {
    entries.push_back({std::to_string(100 + i) + ".png", png(uint8_t(i)), Packing::deflated});
  }
  const auto set = open(entries);
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 60; ++i) right[t] += set->pixels(i)[0] == i;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, (std::vector<int>{60, 60, 60, 60}));
}

}  // namespace
}  // namespace ito::data::test
