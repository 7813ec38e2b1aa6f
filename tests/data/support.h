// What several tests of tools/data need: a folder of their own, packed bytes, expected failures.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/check.h"

namespace ito::data::test {

using Bytes = std::vector<uint8_t>;

/// A folder that is empty at the start of a test and gone after it.
class TempFolder : public ::testing::Test {
 protected:
  TempFolder();
  ~TempFolder() override;
  std::filesystem::path file(const std::string& name) const { return folder_ / name; }
  const std::filesystem::path& folder() const { return folder_; }
  /// Names of what lies in the folder, sorted.
  std::vector<std::string> names() const;

 private:
  std::filesystem::path folder_;
};

void write_bytes(const std::filesystem::path& path, const Bytes& bytes);
Bytes read_bytes(const std::filesystem::path& path);
Bytes gzip(const Bytes& bytes);
Bytes operator+(Bytes a, const Bytes& b);
Bytes big_endian(std::initializer_list<uint32_t> words);

/// Runs f, which must throw UserError with this code and with all fragments on its one line.
template <class F>
void expect_failure(ErrorCode code, std::initializer_list<std::string_view> fragments, F&& f) {
  try {
    f();
    ADD_FAILURE() << "did not throw";
  } catch (const UserError& error) {
    const std::string line = error.what();
    EXPECT_EQ(int(error.code()), int(code)) << line;
    EXPECT_FALSE(error.fix().empty()) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    for (const std::string_view fragment : fragments) {
      EXPECT_NE(line.find(fragment), std::string::npos) << line << " lacks: " << fragment;
    }
  }
}

}  // namespace ito::data::test
