// The folder of a run: its lock, and metrics after a stop.
#include "tools/run/run_directory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <span>
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

TEST_F(RunFolder, RewindKeepsLinesOfOneStepLongerThanThoseOfMany) {
  const RunDirectory directory(path_);
  std::ofstream(path_ / "metrics.jsonl", std::ios::binary)
      << "{\"step\": 5, \"loss\": 1}\n{\"step\": 5, \"eval_loss\": 2}\n"
      << "{\"step\": 6, \"nonfinite\": \"the loss\", \"skipped\": 1}\n"
      << "{\"step\": 7, \"nonfinite\": \"the loss\", \"skipped\": 2}\n";
  directory.rewind_metrics(4, 7);
  EXPECT_EQ(content("metrics.jsonl"),
            "{\"step\": 5, \"eval_loss\": 2}\n"
            "{\"step\": 6, \"nonfinite\": \"the loss\", \"skipped\": 1}\n");
}

TEST_F(RunFolder, WhatAKilledWriterLeftIsRemovedAndNothingElse) {
  fs::create_directories(path_ / "checkpoints/.tmp-step_00000004");
  fs::create_directories(path_ / "checkpoints/step_00000003");
  fs::create_directories(path_ / "samples");
  const char* gone[] = {"config.toml.tmp-12-0", "metrics.jsonl.tmp-7-3",
                        "checkpoints/.tmp-step_00000004/model.safetensors",
                        "checkpoints/LATEST.tmp-1-1", "samples/step_00000010.png.tmp-99-12"};
  const char* kept[] = {"config.toml", "notes.tmp-1-1", "config.toml.tmp-mine",
                        "checkpoints/step_00000003/state.json", "samples/step_00000010.png"};
  for (const auto& names : {std::span<const char*>(gone), std::span<const char*>(kept)}) {
    for (const char* name : names) std::ofstream(path_ / name) << "x";
  }
  const RunDirectory directory(path_);
  for (const char* name : gone) EXPECT_FALSE(fs::exists(path_ / name)) << name;
  for (const char* name : kept) EXPECT_TRUE(fs::exists(path_ / name)) << name;
  EXPECT_FALSE(fs::exists(path_ / "checkpoints/.tmp-step_00000004"));
}

TEST_F(RunFolder, KnowsWhereItBegan) {
  const RunDirectory directory(path_);
  const fs::path other = path_.parent_path() / "another run";
  EXPECT_TRUE(directory.began_with(path_));
  EXPECT_FALSE(directory.began_with(other));
  directory.write_origin(other);
  EXPECT_TRUE(directory.began_with(other));
  EXPECT_TRUE(directory.began_with(other.parent_path() / "x" / ".." / "another run"));
  EXPECT_FALSE(directory.began_with(other / "checkpoints"));
}

TEST_F(RunFolder, RewindMakesNoFiles) {
  const RunDirectory directory(path_);
  directory.rewind_metrics(0, 0);
  EXPECT_FALSE(fs::exists(path_ / "metrics.jsonl"));
  EXPECT_FALSE(fs::exists(path_ / "timing.jsonl"));
}

}  // namespace
}  // namespace ito::tools
