// What several tests of tools/data need: a folder of their own, packed bytes, expected failures.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/data/zip_bytes.h"
#include "tests/support/expect_failure.h"

namespace ito::data::test {

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
Bytes bytes_of(std::string_view text);
Bytes big_endian(std::initializer_list<uint32_t> words);

using ::ito::testing::expect_failure;

}  // namespace ito::data::test
