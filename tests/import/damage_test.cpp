// Files as PyTorch writes them, cut short and damaged: each is read, or refused with one line.
#include <random>

#include "engine/io/safetensors.h"
#include "tests/import/support.h"
#include "tools/import/torch_file.h"

namespace ito::tools {
namespace {

class Damage : public test::TempFolder, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = ITO_IMPORT_FILES;
    if (!exists(folder / "other.pth")) GTEST_SKIP() << "python3-torch is not installed";
    good_ = test::contents(folder / GetParam());
    ASSERT_TRUE(reads(good_));
  }

  /// Reads the object and the weights. False if the file is refused.
  bool reads(const std::string& bytes) const {
    test::write(file("a.pth"), bytes);
    try {
      const TorchFile torch(file("a.pth"));
      const Value* model = torch.find(torch.root(), "model");
      for (size_t i = 1; model != nullptr && i < model->items.size(); i += 2) {
        const Value& value = torch.at(model->items[i]);
        if (value.kind == Value::Kind::tensor) torch.read(value, "w");
      }
      return true;
    } catch (const UserError& e) {
      EXPECT_EQ(exit_code_of(e.code()), 3) << e.what();
      EXPECT_EQ(std::string_view(e.what()).find('\n'), std::string_view::npos);
      return false;
    }
  }

  std::string good_;
};

TEST_P(Damage, CutShort) {
  // Every 97th byte of the object, then in longer steps through the data.
  for (size_t size = 0; size < good_.size(); size += size < 40'000 ? 97 : 9'973) {
    EXPECT_FALSE(reads(good_.substr(0, size))) << size << " bytes";
  }
}

TEST_P(Damage, RandomBytes) {
  std::mt19937 random(7);
  int refusals = 0;
  for (int round = 0; round < 600; ++round) {
    std::string bad = good_;
    // The names and sizes of a zip archive are at its end, those of a stream at its beginning.
    const bool end = random() % 2 == 0;
    for (uint32_t k = 0; k <= random() % 4; ++k) {
      const size_t at = random() % 40'000;
      bad[end ? bad.size() - 1 - at : at] = static_cast<char>(random());
    }
    refusals += !reads(bad);
  }
  EXPECT_GT(refusals, 100);
}

// One bit of a weight: the archive has check sums, the stream has none.
TEST_P(Damage, OneBitOfAWeight) {
  const std::filesystem::path file = std::filesystem::path(ITO_IMPORT_FILES) / "ncsnpp.safetensors";
  const Tensor w = read_safetensors(file).at("model.all_modules.4.Conv_0.weight", file);
  const size_t at = good_.find({static_cast<const char*>(w.raw()), w.bytes()});
  ASSERT_NE(at, std::string::npos);
  std::string bad = good_;
  bad[at + w.bytes() / 2] ^= 1;
  EXPECT_EQ(reads(bad), GetParam() != std::string_view("ncsnpp.pth"));
}

INSTANTIATE_TEST_SUITE_P(Layouts, Damage, ::testing::Values("ncsnpp.pth", "ncsnpp.stream.pth"),
                         [](const auto& layout) { return layout.index == 0 ? "Zip" : "Stream"; });

}  // namespace
}  // namespace ito::tools
