// Samples on their way to the disk: what a stopped run leaves, and what it finds again.
#include "tools/run/sample_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include "engine/core/check.h"
#include "tools/data/npz.h"
#include "tools/data/png.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

const std::string kRecord = R"({"ito":"1","seed":0,"sampling":{"steps":6,"snr":0.16}})";
const std::string kOtherSteps = R"({"ito":"1","seed":0,"sampling":{"steps":7,"snr":0.16}})";

class Store : public testing::Test {
 protected:
  Store()
      : folder_(fs::path(testing::TempDir()) /
                (std::string("ito_store_") +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Store() override { fs::remove_all(folder_); }

  fs::path at(const char* name) const { return folder_ / name; }
  std::string content(const fs::path& file) const {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  void put(const fs::path& file, const std::string& text) const {
    std::ofstream(file, std::ios::binary) << text;
  }
  std::vector<std::string> names(const fs::path& folder) const {
    std::vector<std::string> list;
    for (const auto& entry : fs::directory_iterator(folder)) {
      list.push_back(entry.path().filename().string());
    }
    std::ranges::sort(list);
    return list;
  }

  fs::path folder_;
};

/// Runs f, which must throw UserError; returns its code and its text.
std::pair<ErrorCode, std::string> failure(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return {e.code(), e.what()};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorCode::internal, ""};
}

std::vector<uint8_t> row(int i) {
  return {static_cast<uint8_t>(i), static_cast<uint8_t>(2 * i), static_cast<uint8_t>(255 - i)};
}

ArrayFile open_rows(const fs::path& file, const std::string& record = kRecord,
                    Existing existing = Existing::refuse) {
  return ArrayFile(file, {5, 1, 3, 1}, DType::u8, record, existing);
}

TEST_F(Store, ArrayGoesOnWhereAnotherProcessStopped) {
  {
    ArrayFile whole = open_rows(at("whole.npz"));
    for (int i = 0; i < 5; ++i) whole.write(i, row(i));
    whole.mark_done(5);
    whole.finish();
  }
  {
    ArrayFile first = open_rows(at("parts.npz"));
    EXPECT_EQ(first.done(), 0);
    for (int i = 0; i < 3; ++i) first.write(i, row(i));
    first.mark_done(2);  // row 2 was written, but not counted
    first.write(2, row(99));
  }
  EXPECT_FALSE(fs::exists(at("parts.npz")));
  {
    ArrayFile second = open_rows(at("parts.npz"));
    EXPECT_EQ(second.done(), 2);
    second.write(0, row(77));  // what is done stays
    for (int i = 2; i < 5; ++i) second.write(i, row(i));
    second.mark_done(5);
    second.finish();
    second.finish();
  }
  EXPECT_EQ(content(at("parts.npz")), content(at("whole.npz")));
  EXPECT_EQ(names(folder_), (std::vector<std::string>{"parts.npz", "whole.npz"}));
  const Tensor array = data::NpzFile(at("parts.npz")).read("arr_0");
  EXPECT_EQ(array.shape(), (Shape{5, 1, 3, 1}));
  for (int i = 0; i < 5; ++i) {
    for (size_t k = 0; k < 3; ++k) EXPECT_EQ(array.span<uint8_t>()[size_t(3 * i) + k], row(i)[k]);
  }
  EXPECT_EQ(open_rows(at("parts.npz")).done(), 5);
  EXPECT_EQ(open_rows(at("third.npz")).done(), 0);
  EXPECT_EQ(names(folder_).size(), 2u) << "asking leaves nothing";
}

TEST_F(Store, ArrayOfOtherSettingsIsRefusedOrReplaced) {
  {
    ArrayFile file = open_rows(at("a.npz"));
    for (int i = 0; i < 5; ++i) file.write(i, row(i));
    file.mark_done(3);
  }
  const auto [partial_code, partial_text] = failure([&] { open_rows(at("a.npz"), kOtherSteps); });
  EXPECT_EQ(partial_code, ErrorCode::output_exists);
  EXPECT_NE(partial_text.find("sampling.steps differs"), std::string::npos) << partial_text;
  EXPECT_EQ(open_rows(at("a.npz")).done(), 3) << "a refusal changes nothing";
  EXPECT_EQ(open_rows(at("a.npz"), kOtherSteps, Existing::overwrite).done(), 0);

  put(at("foreign.npz"), "not a zip file");
  EXPECT_EQ(failure([&] { open_rows(at("foreign.npz")); }).first, ErrorCode::output_exists);
  EXPECT_EQ(content(at("foreign.npz")), "not a zip file");
  EXPECT_FALSE(fs::exists(at("foreign.npz.partial")));
  data::write_npz(at("other.npz"), {{"arr_0", Tensor::zeros({2}, DType::f32)}});
  EXPECT_EQ(failure([&] { open_rows(at("other.npz")); }).first, ErrorCode::output_exists);
  {
    ArrayFile file = open_rows(at("other.npz"), kRecord, Existing::overwrite);
    for (int i = 0; i < 5; ++i) file.write(i, row(i));
    file.mark_done(5);
    file.finish();
  }
  EXPECT_EQ(data::NpzFile(at("other.npz")).read("arr_0").numel(), 15);
}

TEST_F(Store, ArrayThatSomebodyCutIsNotCounted) {
  {
    ArrayFile file = open_rows(at("a.npz"));
    for (int i = 0; i < 4; ++i) file.write(i, row(i));
    file.mark_done(4);
  }
  fs::resize_file(at("a.npz.partial"), fs::file_size(at("a.npz.partial")) - 4);
  EXPECT_EQ(open_rows(at("a.npz")).done(), 2);
  fs::remove(at("a.npz.partial"));
  EXPECT_EQ(open_rows(at("a.npz")).done(), 0);
  put(at("mine.npz.partial"), std::string(1000, 'x'));
  EXPECT_EQ(failure([&] { open_rows(at("mine.npz")); }).first, ErrorCode::output_exists);
  EXPECT_EQ(content(at("mine.npz.partial")).size(), 1000u);
  for (const char* text : {"", "{", "[[[[", "null", "{\"record\": 3, \"done\": 1}",
                           "{\"record\": {}, \"done\": -1}"}) {
    put(at("b.npz.partial.json"), text);
    EXPECT_EQ(failure([&] { open_rows(at("b.npz")); }).first, ErrorCode::output_exists) << text;
    EXPECT_FALSE(fs::exists(at("b.npz.partial"))) << text;
  }
}

TEST_F(Store, OneWriterAtATime) {
  const ArrayFile one = open_rows(at("a.npz"));
  EXPECT_EQ(failure([&] { open_rows(at("a.npz")); }).first, ErrorCode::output_locked);
  const PngFolder folder(at("png"), {1, 3, 1}, kRecord, Existing::refuse);
  EXPECT_EQ(failure([&] {
              PngFolder(at("png"), {1, 3, 1}, kRecord, Existing::refuse);
            }).first,
            ErrorCode::output_locked);
}

TEST_F(Store, PicturesOfOtherOriginAreRefusedOrRemoved) {
  const auto open = [&](const std::string& record, Existing existing = Existing::refuse) {
    return PngFolder(at("png"), {1, 3, 1}, record, existing);
  };
  {
    PngFolder folder = open(kRecord);
    folder.write(7, row(1));
    folder.write(1234567, row(2));
    put(at("png/seed_7.png.bak"), "mine");
    put(at("png/holiday.png"), "mine");
  }
  {
    const PngFolder folder = open(kRecord);
    EXPECT_TRUE(folder.has(7) && folder.has(1234567));
    EXPECT_FALSE(folder.has(8));
    EXPECT_EQ(folder.read(1234567), row(2));
  }
  const auto [code, text] = failure([&] { open(kOtherSteps); });
  EXPECT_EQ(code, ErrorCode::output_exists);
  EXPECT_NE(text.find("sampling.steps differs"), std::string::npos) << text;
  EXPECT_TRUE(open(kRecord).has(7));
  EXPECT_FALSE(open(kOtherSteps, Existing::overwrite).has(7));
  EXPECT_EQ(names(at("png")), (std::vector<std::string>{"holiday.png", "seed_7.png.bak"}));

  open(kOtherSteps).write(3, row(3));
  fs::remove(at("png/samples.json"));
  EXPECT_EQ(failure([&] { open(kOtherSteps); }).first, ErrorCode::output_exists)
      << "nobody knows where seed 3 comes from";
  for (const char* foreign : {"", "nonsense", "[1,2]", "{}", "{\"ito\":{}}"}) {
    put(at("png/samples.json"), foreign);
    EXPECT_EQ(failure([&] { open(kOtherSteps); }).first, ErrorCode::output_exists) << foreign;
  }
}

TEST_F(Store, PicturesCutShortAreDrawnAgain) {
  {
    PngFolder folder(at("png"), {1, 3, 1}, kRecord, Existing::refuse);
    folder.write(1, row(1));
    folder.write(2, row(2));
  }
  fs::resize_file(at("png/seed_000001.png"), fs::file_size(at("png/seed_000001.png")) - 1);
  PngFolder folder(at("png"), {1, 3, 1}, kRecord, Existing::refuse);
  EXPECT_FALSE(folder.has(1));
  EXPECT_TRUE(folder.has(2));
  data::write_png(at("png/seed_000002.png"), row(2), {3, 1, 1});
  EXPECT_EQ(failure([&] { folder.read(2); }).first, ErrorCode::file_mismatch);
}

TEST_F(Store, RoundsPicturesAndCutsOffArrays) {
  const std::vector<float> unit{0.5f, 1.25f, -3.0f, 0.999f, 0.0f, 1.0f};  // two samples
  const SampleOutputs outputs{at("png"), at("a.npz"), at("raw.npz")};
  SampleStore store(outputs, kRecord, {4, 9}, {1, 3, 1});
  EXPECT_FALSE(store.has(0) || store.has(1));
  EXPECT_FALSE(store.picture(0));
  store.write(std::vector<int64_t>{0, 1}, unit, 2);
  EXPECT_TRUE(store.has(0) && store.has(1));
  store.finish();
  EXPECT_EQ(store.picture(0), (std::vector<uint8_t>{128, 255, 0}));  // 127.5
  EXPECT_EQ(store.picture(1), (std::vector<uint8_t>{255, 0, 255}));  // 254.745
  EXPECT_EQ(data::NpzFile(at("a.npz")).read("arr_0").to_vector<uint8_t>(),
            (std::vector<uint8_t>{127, 255, 0, 254, 0, 255}));
  const Tensor raw = data::NpzFile(at("raw.npz")).read("arr_0");
  EXPECT_EQ(raw.shape(), (Shape{2, 1, 3, 1}));
  EXPECT_EQ(raw.to_vector<float>(), unit);
}

TEST_F(Store, ASampleIsThereWhenItIsEverywhere) {
  const std::vector<float> unit(3, 0.5f);
  SampleOutputs outputs{at("png"), at("a.npz"), ""};
  {
    SampleStore only_pictures({at("png"), "", ""}, kRecord, {4, 9}, {1, 3, 1});
    only_pictures.write(std::vector<int64_t>{1}, unit, 2);
    EXPECT_FALSE(only_pictures.has(0));
    EXPECT_TRUE(only_pictures.has(1));
  }
  {
    SampleStore both(outputs, kRecord, {4, 9}, {1, 3, 1});
    EXPECT_FALSE(both.has(1)) << "not in the array";
    both.write(std::vector<int64_t>{0}, unit, 1);
    EXPECT_TRUE(both.has(0));
  }
  // An array holds certain seeds in a certain order; a folder takes any.
  EXPECT_EQ(failure([&] {
              SampleStore(outputs, kRecord, {9, 4}, {1, 3, 1});
            }).first,
            ErrorCode::output_exists);
  EXPECT_TRUE(SampleStore({at("png"), "", ""}, kRecord, {9, 4, 1}, {1, 3, 1}).has(0));
}

TEST(FirstDifference, NamesTheKey) {
  EXPECT_EQ(first_difference(kRecord, kRecord), "");
  EXPECT_EQ(first_difference(kRecord, kOtherSteps), "sampling.steps");
  EXPECT_EQ(first_difference(R"({"a":1})", R"({"a":1.0,"b":2})"), "");
  EXPECT_EQ(first_difference(R"({"a":null})", "{}"), "a");
  EXPECT_EQ(first_difference(R"({"a":{"b":1}})", R"({"a":3})"), "a");
  EXPECT_EQ(first_difference(R"({"a":1})", std::string(100'000, '[')), "format");
}

}  // namespace
}  // namespace ito::tools
