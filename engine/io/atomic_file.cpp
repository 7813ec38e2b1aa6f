#include "engine/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "engine/core/check.h"

namespace ito {

namespace {

[[noreturn]] void fail_write(const std::filesystem::path& path, const char* what, int error) {
  const char* fix = error == ENOSPC || error == EDQUOT ? "free space on that disk"
                    : error == EACCES || error == EPERM || error == EROFS
                        ? "choose a folder that you may write to"
                    : error == ENOENT || error == ENOTDIR ? "create the folder first"
                    : error == EISDIR ? "choose another name, this one is a folder"
                                      : "check the disk, or choose another folder";
  fail(ErrorCode::write_failed, path.string(),
       std::string(what) + ": " + std::generic_category().message(error), fix);
}

/// The name of a temporary beside `path`, another one each time.
std::filesystem::path temporary_for(std::filesystem::path path) {
  static std::atomic<unsigned> counter{0};
  return path += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

/// Its descriptor, or -1 and errno.
int create(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/// A file that exists only until it is renamed: the destructor closes and removes it.
class Temporary {
 public:
  explicit Temporary(const std::filesystem::path& target)
      : target_(target), path_(temporary_for(target)), descriptor_(create(path_)) {
    if (descriptor_ < 0) fail_write(target_, "cannot create a file beside it", errno);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(path_.c_str());
  }

  void write(std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_write(target_, "cannot write", errno);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void commit() {
    if (::fsync(descriptor_) != 0) fail_write(target_, "cannot sync", errno);
    const int closed = ::close(descriptor_);
    descriptor_ = -1;
    if (closed != 0) fail_write(target_, "cannot close", errno);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_write(target_, "cannot rename", errno);
    renamed_ = true;
  }

 private:
  const std::filesystem::path& target_;
  std::filesystem::path path_;
  int descriptor_;
  bool renamed_ = false;
};

/// Makes the rename itself durable. File systems that cannot sync a folder say EINVAL.
void sync_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may be written but not listed
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0 && error != EINVAL) fail_write(path, "cannot sync its folder", error);
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  // A rename would put a file in the place of a device or a pipe.
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_symlink(status) && !std::filesystem::is_directory(status)) {
    fail(ErrorCode::write_failed, path.string(), "is a device or a pipe", "name a file");
  }
  Temporary file(path);
  file.write(bytes);
  file.commit();
  sync_folder_of(path);
}

std::error_code temporary_error(const std::filesystem::path& path) {
  const std::filesystem::path temporary = temporary_for(path);
  const int descriptor = create(temporary);
  if (descriptor < 0) return {errno, std::generic_category()};
  ::close(descriptor);
  ::unlink(temporary.c_str());
  return {};
}

std::string_view target_of_temporary(std::string_view name) {
  constexpr std::string_view kMark = ".tmp-";
  const size_t at = name.rfind(kMark);
  const bool numbered = at != std::string_view::npos && at + kMark.size() < name.size() &&
                        name.find_first_not_of("0123456789-", at + kMark.size()) == name.npos;
  return numbered ? name.substr(0, at) : std::string_view();
}

}  // namespace ito
