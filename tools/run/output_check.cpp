#include "tools/run/output_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

/// Why no file can be made beside `path`, by making one as write_file_atomically does: permissions
/// say nothing of a file system such as /proc. Empty if one can.
std::string reason_against(const fs::path& path) {
  std::string name = path.string() + ".tmp-check-XXXXXX";
  const int file = mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return std::strerror(errno);
  close(file);
  unlink(name.c_str());
  return {};
}

}  // namespace

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
  const std::string reason = reason_against(file);
  if (!reason.empty()) refuse("cannot be written: " + reason);
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
  const std::string reason = reason_against(place / "run");
  if (!reason.empty()) refuse("cannot be created: " + reason);
}

}  // namespace ito::tools
