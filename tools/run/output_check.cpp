#include "tools/run/output_check.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"

namespace ito::tools {

namespace fs = std::filesystem;

void check_output_file(const std::string& file) {
  const auto refuse = [&](const std::string& fact) {
    fail(ErrorCode::write_failed, file, fact, "name a file in a folder that exists");
  };
  fs::path folder = fs::path(file).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  if (!fs::is_directory(folder, error)) refuse("its folder does not exist");
  const fs::file_type there = fs::symlink_status(file, error).type();
  if (there == fs::file_type::none) refuse("cannot be used: " + error.message());
  if (fs::is_directory(file, error)) refuse("is a folder");
  const bool replaceable = there == fs::file_type::regular || there == fs::file_type::symlink ||
                           there == fs::file_type::not_found;
  if (!replaceable) refuse("is a device or a pipe");
  error = temporary_error(file);
  if (error) refuse("cannot be written: " + error.message());
}

void check_output_folder(const fs::path& folder) {
  const auto refuse = [&](const std::string& fact) {
    fail(ErrorCode::write_failed, folder.string(), fact, "check free space and permissions");
  };
  std::error_code error;
  fs::path place = folder;  // or the nearest above it that is there
  while (!fs::exists(place, error)) {
    if (error) refuse("cannot be created: " + error.message());
    place = place.has_parent_path() && place.parent_path() != place ? place.parent_path() : ".";
  }
  if (!fs::is_directory(place, error)) {
    refuse("cannot be created: " + std::string(std::strerror(ENOTDIR)));
  }
  if (place == folder) {
    if (access(place.c_str(), W_OK | X_OK) != 0) {
      refuse("cannot be written to: " + std::string(std::strerror(errno)));
    }
    return;
  }
  error = temporary_error(place / "run");
  if (error) refuse("cannot be created: " + error.message());
}

}  // namespace ito::tools
