#include "engine/io/atomic_file.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/data/support.h"

namespace ito::data {
namespace {

using test::Bytes;
using test::expect_failure;
using test::read_bytes;
using test::write_bytes;

class AtomicFile : public test::TempFolder {};

TEST_F(AtomicFile, WritesReplacesAndLeavesNothingElse) {
  for (const size_t size : {size_t(0), size_t(1), size_t(3'000'001)}) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = uint8_t(i * 7 + size);
    write_file_atomically(file("out"), bytes);
    EXPECT_EQ(read_bytes(file("out")), bytes);
    EXPECT_EQ(names(), std::vector<std::string>{"out"});
  }
}

TEST_F(AtomicFile, GetsTheUsualPermissions) {
  const mode_t mask = umask(027);
  write_file_atomically(file("out"), Bytes{1});
  umask(mask);
  struct stat info = {};
  ASSERT_EQ(stat(file("out").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

// A file size limit makes write(2) fail half-way through, as a full disk would.
TEST_F(AtomicFile, FailedWriteLeavesTheOldFileAndNoTemporary) {
  write_file_atomically(file("out"), Bytes{1, 2, 3});
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 5000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_failure(ErrorCode::write_failed, {"out", "File too large"},
                 [&] { write_file_atomically(file("out"), Bytes(10000)); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_bytes(file("out")), (Bytes{1, 2, 3}));
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
}

TEST_F(AtomicFile, FailedRenameLeavesTheOldFolderAndNoTemporary) {
  std::filesystem::create_directories(file("out") / "inside");
  expect_failure(ErrorCode::write_failed, {"out", "rename", "folder"},
                 [&] { write_file_atomically(file("out"), Bytes{1}); });
  EXPECT_EQ(names(), std::vector<std::string>{"out"});
  EXPECT_TRUE(std::filesystem::exists(file("out") / "inside"));
}

TEST_F(AtomicFile, MissingFolderIsNamed) {
  expect_failure(ErrorCode::write_failed, {"absent", "create the folder"},
                 [&] { write_file_atomically(file("absent") / "out", Bytes{1}); });
  EXPECT_TRUE(names().empty());
}

TEST_F(AtomicFile, NeverReplacesAPipe) {
  const std::filesystem::path pipe = file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(write_file_atomically(pipe, Bytes{1}), UserError);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST_F(AtomicFile, KnowsItsTemporaries) {
  EXPECT_EQ(target_of_temporary("a.json.tmp-17-0"), "a.json");
  EXPECT_EQ(target_of_temporary("a.tmp-1-2.tmp-17-0"), "a.tmp-1-2");
  for (const char* name : {"a.json", "a.tmp-", "a.tmp-x", "a.tmp-17-0.png", ""}) {
    EXPECT_EQ(target_of_temporary(name), "") << name;
  }
}

}  // namespace
}  // namespace ito::data
