#include "tools/data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "engine/core/check.h"

namespace ito::data {

namespace {

[[noreturn]] void fail_open(const std::filesystem::path& path, int error) {
  fail(ErrorCode::file_missing, path.string(),
       "cannot be opened: " + std::generic_category().message(error),
       "check the path, and that it may be read and is a plain file");
}

class Descriptor {
 public:
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  explicit Descriptor(const std::filesystem::path& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(path);
  struct stat about = {};
  if (file.value() < 0 || ::fstat(file.value(), &about) != 0) fail_open(path, errno);
  if (!S_ISREG(about.st_mode)) fail_open(path, S_ISDIR(about.st_mode) ? EISDIR : EINVAL);
  size_ = static_cast<size_t>(about.st_size);
  if (size_ == 0) return;
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.value(), 0);
  if (memory == MAP_FAILED) fail_open(path, errno);
  data_ = static_cast<const uint8_t*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace ito::data
