#include "tools/data/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "engine/core/check.h"

namespace ito::data {

namespace {

constexpr size_t kBuffer = 1 << 20;

[[noreturn]] void fail_write(const std::filesystem::path& path, const char* what, int error) {
  const char* fix = error == ENOSPC || error == EDQUOT ? "free space on that disk"
                    : error == ENOENT || error == ENOTDIR
                        ? "create the folder first"
                        : "choose a folder that you may write to, or check the disk";
  fail(ErrorCode::write_failed, path.string(),
       std::string(what) + ": " + std::generic_category().message(error), fix);
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored)) fail_write(path_, "cannot write", EISDIR);
  temporary_ += ".tmp-" + std::to_string(::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_write(path_, "cannot create a file beside it", errno);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!renamed_) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const uint8_t> bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBuffer) flush();
}

void OutputFile::write_at(uint64_t position, std::span<const uint8_t> bytes) {
  flush();
  put(position, bytes);
}

void OutputFile::flush() {
  put(flushed_, buffer_);
  flushed_ += buffer_.size();
  buffer_.clear();
}

void OutputFile::put(uint64_t position, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(path_, "cannot write", errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
}

void OutputFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_write(path_, "cannot sync", errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail_write(path_, "cannot close", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write(path_, "cannot rename", errno);
  renamed_ = true;
  // The rename itself; some file systems cannot sync a folder, and say so.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int parent = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return;
  const int error = ::fsync(parent) == 0 ? 0 : errno;
  ::close(parent);
  if (error != 0 && error != EINVAL) fail_write(path_, "cannot sync its folder", error);
}

}  // namespace ito::data
