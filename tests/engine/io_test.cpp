// safetensors, settings, JSON.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/core/settings.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"

namespace ito {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ito_io_test_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& bytes) const {
    const fs::path file = folder_ / "a.safetensors";
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  static std::string framed(const std::string& header, size_t data_bytes) {
    std::string text(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(text.data(), &length, 8);
    return text + header + std::string(data_bytes, 'x');
  }
  static ErrorCode code_of(const fs::path& file) {
    try {
      read_safetensors(file);
    } catch (const UserError& e) {
      EXPECT_NE(std::string(e.what()).find(file.string()), std::string::npos) << e.what();
      return e.code();
    }
    ADD_FAILURE() << "was accepted";
    return ErrorCode::internal;
  }

  fs::path folder_;
};

TEST_F(Files, RoundTripKeepsNamesTypesBitsAndMetadata) {
  const fs::path file = folder_ / "x.safetensors";
  const Tensor a = Tensor::from(std::vector<float>{1, -2, 3e-42f}, {3});
  const Tensor b = Tensor::from(std::vector<int64_t>{5, -6}, {2, 1});
  const Tensor c = Tensor::empty({0, 4}, DType::bf16), d = Tensor::full(Shape{}, 0.1, DType::f64);
  write_safetensors(file, {{"a", a}, {"b.weight", b}, {"c", c}, {"d", d}},
                    {{"config", "{\"x\": 1}"}});
  const SafetensorsFile read = read_safetensors(file);
  EXPECT_EQ(read.metadata.at("config"), "{\"x\": 1}");
  ASSERT_EQ(read.tensors.size(), 4u);
  EXPECT_EQ(read.at("a", file).to_vector<float>(), a.to_vector<float>());
  EXPECT_EQ(read.at("b.weight", file).to_vector<int64_t>(), b.to_vector<int64_t>());
  EXPECT_EQ(read.at("c", file).shape(), (Shape{0, 4}));
  EXPECT_EQ(read.at("d", file).item(), 0.1);
  EXPECT_THROW(read.at("e", file), UserError);
}

TEST_F(Files, TruncationAtEveryByteIsNoticed) {
  const fs::path file = folder_ / "x.safetensors";
  write_safetensors(file,
                    {{"a", Tensor::zeros({3}, DType::f32)}, {"b", Tensor::zeros({2}, DType::u8)}});
  std::ifstream in(file, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (size_t n = 0; n < whole.size(); ++n) {
    const ErrorCode code = code_of(write(whole.substr(0, n)));
    EXPECT_EQ(exit_code_of(code), 3) << "at byte " << n;
  }
}

TEST_F(Files, HostileHeadersAreRefused) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}}";
  };
  EXPECT_EQ(code_of(write(framed("nonsense", 8))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed("[]", 8))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(entry("F16", "[2]", "[0,4]"), 4))), ErrorCode::file_unknown);
  EXPECT_EQ(code_of(write(framed(entry("F32", "[2]", "[0,4]"), 8))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(entry("F32", "[-2]", "[0,8]"), 8))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(entry("F32", "[2]", "[8,0]"), 8))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(entry("F32", "[2]", "[0,8]"), 4))), ErrorCode::file_truncated);
  EXPECT_EQ(code_of(write(framed(entry("U8", "[4294967296,4294967296]", "[0,0]"), 4))),
            ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(entry("U8", "[1,1,1,1,1,1,1]", "[0,1]"), 1))),
            ErrorCode::file_corrupt);
  const std::string a = "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}";
  EXPECT_EQ(code_of(write(framed("{" + a + "," + a + "}", 4))), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write(framed(
                "{" + a + ",\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 4))),
            ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(write("\xff\xff\xff\xff\xff\xff\xff\x7f")), ErrorCode::file_corrupt);
  EXPECT_EQ(code_of(folder_ / "absent"), ErrorCode::file_missing);
}

struct Example {
  bool on = false;
  int count = 3;
  double rate = 0.5;
  std::string name = "x";
  std::vector<int> list = {1, 2};
  Fields fields() {
    Fields f;
    f.section("example");
    f.add("on", &on, "a switch");
    f.add("count", &count, "a number");
    f.add("rate", &rate, "a rate");
    f.add("name", &name, "a name");
    f.add("list", &list, "a list");
    return f;
  }
};

TEST(Settings, RoundTripThroughJson) {
  Example a;
  a.rate = 0.1 + 0.2;
  a.list = {4, 5, 6};
  a.name = "quote \" and \\";
  Example b;
  b.fields().apply(settings_from_json(settings_to_json(a.fields().values()), "test"), "test");
  EXPECT_EQ(b.rate, a.rate);
  EXPECT_EQ(b.list, a.list);
  EXPECT_EQ(b.name, a.name);
}

TEST(Settings, AssignReadsTheFieldsType) {
  Example e;
  const Fields f = e.fields();
  f.assign("example.rate", "2e-4", "--set");
  f.assign("example.list", "[7, 8]", "--set");
  f.assign("example.on", "true", "--set");
  f.assign("example.name", "\"quoted\"", "--set");
  EXPECT_EQ(e.rate, 2e-4);
  EXPECT_EQ(e.list, (std::vector<int>{7, 8}));
  EXPECT_TRUE(e.on);
  EXPECT_EQ(e.name, "quoted");
}

TEST(Settings, AFileOfOursMayHoldMoreButNotOtherTypes) {
  Example e;
  e.fields().apply_known({{"example.count", int64_t{5}}, {"other.key", true}}, "file");
  EXPECT_EQ(e.count, 5);
  try {
    e.fields().apply_known({{"example.count", std::string("5")}}, "file");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), ErrorCode::file_corrupt);
  }
}

TEST(Settings, WrongKeysAndTypesNameTheFix) {
  Example e;
  const Fields f = e.fields();
  const auto message = [&](const char* key, const char* text) -> std::string {
    try {
      f.assign(key, text, "--set");
    } catch (const UserError& error) {
      return std::to_string(static_cast<int>(error.code())) + " " + error.what();
    }
    return "accepted";
  };
  EXPECT_NE(message("example.cuont", "1").find("202 --set: there is no key"), std::string::npos);
  EXPECT_NE(message("example.cuont", "1").find("use example.count"), std::string::npos);
  EXPECT_NE(message("example.count", "1.5").find("203"), std::string::npos);
  EXPECT_NE(message("example.count", "99999999999").find("203"), std::string::npos);
  EXPECT_NE(message("example.rate", "nan").find("203"), std::string::npos);
  EXPECT_NE(message("example.on", "1").find("true or false"), std::string::npos);
  EXPECT_NE(message("example.list", "1, x").find("203"), std::string::npos);
  EXPECT_EQ(e.count, 3);
}

}  // namespace
}  // namespace ito
