// The reader of pickles and torch files under files made to harm: each is read, or refused with one
// line. Needs no PyTorch: the files are put together here, byte by byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

#include "tests/import/support.h"
#include "tools/import/torch_file.h"

namespace ito::tools {
namespace {

using namespace std::string_literals;
using test::expect_failure;

std::string word(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}
std::string text(const std::string& value) { return "X" + word(value.size(), 4) + value; }
std::string integer(uint64_t value) { return "\x8a\x08" + word(value, 8); }
std::string repeated(const std::string& part, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += part;
  return all;
}
Pickle read(const std::string& program) {
  const std::string all = "\x80\x02" + program;
  return read_pickle({reinterpret_cast<const uint8_t*>(all.data()), all.size()}, "a.pth", "data");
}
void refused(ErrorCode code, std::string_view fragment, const std::string& program) {
  expect_failure(code, {"a.pth: data", fragment}, [&] { read(program); });
}
constexpr auto kCorrupt = ErrorCode::file_corrupt;
constexpr auto kUnknown = ErrorCode::file_unknown;
constexpr auto kTruncated = ErrorCode::file_truncated;

TEST(Pickle, Scalars) {
  const Pickle p = read(
      "(NK\x07M\x01\x02J\xfe\xff\xff\xff\x8a\x02\x00\x80\x8a\x00"
      "G\xbf\xe0\x00\x00\x00\x00\x00\x00\x88\x89U\x02hit."s);
  const auto item = [&](size_t i) { return p.at(p.at(p.root).items[i]); };
  ASSERT_EQ(p.at(p.root).items.size(), 10u);
  EXPECT_EQ(item(0).kind, Value::Kind::none);
  EXPECT_EQ(item(1).integer, 7);
  EXPECT_EQ(item(2).integer, 0x201);
  EXPECT_EQ(item(3).integer, -2);
  EXPECT_EQ(item(4).integer, -32768);
  EXPECT_EQ(item(5).integer, 0);
  EXPECT_EQ(item(6).real, -0.5);
  EXPECT_EQ(item(7).integer, 1);
  EXPECT_EQ(item(8).integer, 0);
  EXPECT_EQ(item(9).text, "hi");
}

TEST(Pickle, ContainersKeepTheirOrder) {
  // {"b": [2], "a": (3,)}; an attribute is dropped.
  const Pickle p = read("}(" + text("b") + "]K\x02" + "a" + text("a") + "K\x03\x85u]b.");
  const Value& dict = p.at(p.root);
  ASSERT_EQ(dict.items.size(), 4u);
  EXPECT_EQ(p.at(dict.items[0]).text, "b");
  EXPECT_EQ(p.at(dict.items[2]).text, "a");
  EXPECT_EQ(p.at(p.at(dict.items[1]).items.at(0)).integer, 2);
  EXPECT_EQ(p.at(p.at(dict.items[3]).items.at(0)).integer, 3);
  EXPECT_EQ(read("N.N.N.").size, 4u);  // the first program alone
}

TEST(Pickle, NamesThatAreNotAllowed) {
  refused(kUnknown, "asks for os.system, which is not allowed, at byte 3", "]cos\nsystem\n.");
  refused(kUnknown, "torch._utils._rebuild_tensor,", "ctorch._utils\n_rebuild_tensor\n.");
  refused(kUnknown, "builtins.eval", "cbuiltins\neval\n.");
  refused(kUnknown, "\\x1B[2J", "c\x1b[2J\nx\n.");
  refused(kCorrupt, "too long", "c" + std::string(5000, 'a'));
  // Allowed as a type, not as a function.
  refused(kCorrupt, "calls torch.FloatStorage", "ctorch\nFloatStorage\n)R.");
  refused(kCorrupt, "calls what is no function", "K\x01)R.");
}

TEST(Pickle, OperationsThatAreNotAllowed) {
  for (const char op : "0127FILSVdgiloP\x81\x82\x8b\x8c\x93\x94\x95"s) {
    refused(kUnknown, "uses the operation", "N"s + op + std::string(16, '.'));
  }
  for (const std::string protocol : {"\x80\x04", "\x80\x01", "N.", "PK"}) {
    expect_failure(kCorrupt, {"protocol 2"}, [&] {
      read_pickle({reinterpret_cast<const uint8_t*>(protocol.data()), 2}, "a.pth", "data");
    });
  }
}

TEST(Pickle, SizesBeyondTheFile) {
  refused(kTruncated, "ends inside",
          "X\xff\xff\xff\xff"
          "abc.");
  refused(kTruncated, "ends inside",
          "T\xff\xff\xff\x7f"
          "abc.");
  refused(kTruncated, "ends inside",
          "\x8a\xff"
          "1.");
  refused(kTruncated, "ends inside", "]");
  refused(kCorrupt, "more than 1048576 values", repeated("N", kMostPickleValues + 1) + ".");
  refused(kCorrupt, "16 MiB", repeated("q\x01", kMostPickleBytes / 2).insert(0, "]"));
}

TEST(Pickle, StackAndMemo) {
  refused(kCorrupt, "empty stack", ".");
  refused(kCorrupt, "empty stack", "q\x01.");
  refused(kCorrupt, "empty stack", "N\x86.");
  refused(kCorrupt, "empty stack", "N(R.");      // what lies below a mark is out of reach
  refused(kCorrupt, "empty stack", "](q\x01.");  // and is not remembered under another name
  refused(kCorrupt, "did not open", "Nt.");
  refused(kCorrupt, "did not remember", "h\x01.");
  refused(kCorrupt, "did not remember", "j\xff\xff\xff\xff.");
  refused(kCorrupt, "no list", "}Na.");
  refused(kCorrupt, "no dictionary", "]NNs.");
  refused(kCorrupt, "no dictionary", "]}b.");
  refused(kCorrupt, "without a value", "}(Nu.");
  refused(kCorrupt, "not described", "NQ.");
  refused(kCorrupt, "not described", "(NNNNNNNtQ.");
  EXPECT_EQ(read("]r\xff\xff\xff\xff"
                 "j\xff\xff\xff\xff"
                 "a.")
                .values.size(),
            1u);
}

TEST(Pickle, CyclesAndDepthCostNothing) {
  const Pickle cycle = read(
      "]q\x01h\x01"
      "a.");
  EXPECT_EQ(cycle.at(cycle.root).items, std::vector<ValueId>{cycle.root});
  EXPECT_EQ(read(repeated("]", 500'000) + repeated("a", 499'999) + ".").values.size(), 500'000u);
  EXPECT_EQ(read("N" + repeated("\x85", 500'000) + ".").values.size(), 500'001u);
  refused(kCorrupt, "nests too deep", repeated("(", 100'000) + ".");
}

/// A tensor of the elements 0, 1, ... of a storage "0" of f32.
struct TensorText {
  uint64_t elements = 6, offset = 0;
  std::string sizes = "K\x02K\x03\x86", strides = "K\x03K\x01\x86";
  std::string type = "FloatStorage", metadata = "N";

  std::string program() const {
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type + "\n" +
           text("0") + text("cpu") + integer(elements) + metadata + "tQ" + integer(offset) + sizes +
           strides +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
  }
};

std::string stream_file(const TensorText& tensor) {
  std::string file = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."s;
  file += "\x80\x02}.\x80\x02}" + text("w") + tensor.program() + "s.\x80\x02]" + text("0") + "a.";
  file += word(6, 8);
  for (uint32_t i = 0; i < 6; ++i) {
    file += word(std::bit_cast<uint32_t>(static_cast<float>(i)), 4);
  }
  return file;
}

class Stream : public test::TempFolder {
 protected:
  Tensor open(const std::string& bytes) {
    test::write(file("a.pth"), bytes);
    const TorchFile torch(file("a.pth"));
    const Value* w = torch.find(torch.root(), "w");
    if (w == nullptr) fail(ErrorCode::file_mismatch, "a.pth", "has no w", "none");
    return torch.read(*w, "w");
  }
  void refused(ErrorCode code, std::string_view fragment, const TensorText& tensor) {
    expect_failure(code, {"a.pth", fragment}, [&] { open(stream_file(tensor)); });
  }
};

TEST_F(Stream, Views) {
  EXPECT_EQ(open(stream_file({})).to_vector<float>(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(open(stream_file({.strides = "K\x01K\x02\x86"})).to_vector<float>(),
            (std::vector<float>{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(open(stream_file({.offset = 1, .sizes = "K\x02\x85", .strides = "K\x03\x85"}))
                .to_vector<float>(),
            (std::vector<float>{1, 4}));
  EXPECT_EQ(open(stream_file({.offset = 5, .sizes = ")", .strides = ")"})).item(), 5);
  EXPECT_EQ(open(stream_file({.offset = 6, .sizes = "K\x00\x85"s, .strides = "K\x01\x85"})).numel(),
            0);
}

TEST_F(Stream, ViewsOutOfBounds) {
  refused(kCorrupt, "beyond its storage", {.offset = 1});
  refused(kCorrupt, "beyond its storage",
          {.offset = 7, .sizes = "K\x00\x85"s, .strides = "K\x01\x85"});
  refused(kCorrupt, "beyond its storage", {.offset = ~uint64_t{0}});
  refused(kCorrupt, "beyond its storage", {.offset = INT64_MAX});
  refused(kCorrupt, "beyond its storage", {.strides = "K\x04K\x01\x86"});
  refused(kCorrupt, "beyond its storage", {.strides = integer(INT64_MAX) + "K\x01\x86"});
  refused(kCorrupt, "bad size or stride", {.strides = "J\xff\xff\xff\xffK\x01\x86"});
  refused(kCorrupt, "one place", {.strides = "K\x00K\x01\x86"s});
  refused(kCorrupt, "one place", {.strides = "K\x01K\x01\x86"});
  refused(kCorrupt, "one place", {.strides = "K\x02K\x01\x86"});
  refused(kCorrupt, "too large", {.sizes = integer(INT64_MAX) + "K\x09\x86"});
  refused(kCorrupt, "sizes and strides", {.sizes = "K\x06\x85"});
  refused(kCorrupt, "sizes and strides", {.sizes = "N"});
  refused(kCorrupt, "more than six axes",
          {.sizes = "(" + repeated("K\x01", 9) + "t", .strides = "(" + repeated("K\x01", 9) + "t"});
}

TEST_F(Stream, StoragesThatLie) {
  refused(kCorrupt, "has 6 elements, its tensors need 7", {.elements = 7});
  refused(kCorrupt, "unknown kind", {.elements = ~uint64_t{0}});
  refused(kCorrupt, "larger than any file", {.elements = INT64_MAX});
  refused(kTruncated, "ends inside storage 0", {.type = "DoubleStorage"});
  refused(kUnknown, "torch.HalfStorage", {.type = "HalfStorage"});
  refused(kUnknown, "torch.Storage", {.type = "Storage"});
  refused(kCorrupt, "unknown kind", {.metadata = "K\x01"});
  std::string huge = stream_file({.elements = uint64_t{1} << 50});
  huge.replace(huge.size() - 32, 8, word(uint64_t{1} << 50, 8));
  expect_failure(kTruncated, {"ends inside storage 0"}, [&] { open(huge); });
}

TEST_F(Stream, FilesOfOtherKinds) {
  for (const std::string bytes : {"", "x", "PK", "PK\x03\x04 and more", "\x80\x02", "{}"}) {
    test::write(file("a.pth"), bytes);
    try {
      const TorchFile torch(file("a.pth"));
      ADD_FAILURE() << "read " << bytes;
    } catch (const UserError& e) {
      EXPECT_EQ(exit_code_of(e.code()), 3) << e.what();
    }
  }
  expect_failure(ErrorCode::file_missing, {"none.pth"}, [&] { TorchFile t(file("none.pth")); });
  expect_failure(ErrorCode::file_missing, {}, [&] { TorchFile t(folder()); });
}

TEST_F(Stream, RandomDamage) {
  const std::string good = stream_file({});
  std::mt19937 random(20);
  int refusals = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bad = good;
    for (uint32_t k = 0; k <= random() % 4; ++k) {
      bad[random() % bad.size()] = static_cast<char>(random() % 4 ? random() : 0xFF);
    }
    if (random() % 8 == 0) bad.resize(random() % bad.size());
    try {
      open(bad);
    } catch (const UserError& e) {
      ++refusals;
      EXPECT_EQ(exit_code_of(e.code()), 3) << e.what();
    }
  }
  EXPECT_GT(refusals, 1000);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(open(good.substr(0, size)), UserError) << size;
  }
}

}  // namespace
}  // namespace ito::tools
