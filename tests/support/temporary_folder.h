// A folder for files of one run of a program.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace ito::testing {

/// Made when constructed, below the system's folder for such; gone with all that is in it when
/// destroyed.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name) {
    const std::string places(6, 'X');  // for mkdtemp to fill
    std::string path = (std::filesystem::temp_directory_path() / (name + "-" + places)).string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ito::testing
