// The folder of a run: its lock, and metrics after a stop.
#include "tools/run/run_directory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

class RunFolder : public testing::Test {
 protected:
  RunFolder()
      : path_(fs::path(testing::TempDir()) /
              (std::string("ito_run_") +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(path_);
  }
  ~RunFolder() override { fs::remove_all(path_); }

  std::string content(const char* name) const {
    std::ostringstream text;
    text << std::ifstream(path_ / name, std::ios::binary).rdbuf();
    return text.str();
  }

  fs::path path_;
};

TEST_F(RunFolder, ASecondWriterIsRefusedUntilTheFirstIsGone) {
  {
    const RunDirectory first(path_);
    EXPECT_TRUE(fs::is_directory(first.samples()));
    try {
      const RunDirectory second(path_);
      ADD_FAILURE() << "two writers";
    } catch (const UserError& e) {
      EXPECT_EQ(e.code(), ErrorCode::output_locked);
      EXPECT_EQ(e.subject(), path_.string());
    }
  }
  EXPECT_NO_THROW(RunDirectory{path_});
}

TEST_F(RunFolder, APlaceBelowAFileIsRefused) {
  std::ofstream(path_) << "text";
  for (const fs::path& place : {path_, path_ / "run"}) {
    try {
      const RunDirectory directory(place);
      ADD_FAILURE() << place;
    } catch (const UserError& e) {
      EXPECT_EQ(e.code(), ErrorCode::write_failed);
    }
  }
}

TEST_F(RunFolder, RewindKeepsWholeLinesOfEarlierStepsByteForByte) {
  const RunDirectory directory(path_);
  const std::string kept =
      "{\"step\": 0, \"loss\": 1.0000000000000002}\n{ \"step\":19,\"loss\":2}\n";
  std::ofstream(path_ / "metrics.jsonl", std::ios::binary)
      << "{\"step\": 0, \"loss\": 1.0000000000000002}\nno json\n\n[1]\n{\"loss\": 1}\n"
      << "{\"step\": \"1\"}\n{\"step\": -1}\n{\"step\": 1.5}\n{ \"step\":19,\"loss\":2}\n"
      << "{\"step\": 20, \"loss\": 3}\n{\"step\": 21}\n{\"step\": 1";
  directory.append_timing("{\"step\": 5}");
  directory.append_timing("{\"step\": 50}");
  directory.rewind_metrics(20, 20);
  EXPECT_EQ(content("metrics.jsonl"), kept);
  EXPECT_EQ(content("timing.jsonl"), "{\"step\": 5}\n");
  directory.append_metrics("{\"step\": 20}");
  EXPECT_EQ(content("metrics.jsonl"), kept + "{\"step\": 20}\n");
}

TEST_F(RunFolder, RewindMakesNoFiles) {
  const RunDirectory directory(path_);
  directory.rewind_metrics(0, 0);
  EXPECT_FALSE(fs::exists(path_ / "metrics.jsonl"));
  EXPECT_FALSE(fs::exists(path_ / "timing.jsonl"));
}

}  // namespace
}  // namespace ito::tools
