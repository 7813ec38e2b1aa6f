// Files as memory: the operating system reads pages when they are touched and shares them between
// processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace ito::data {

/// A file mapped for reading. Whoever cuts the file short while it is mapped ends this process
/// (SIGBUS); replacing it by another under its name does no harm.
class MappedFile {
 public:
  /// Throws UserError(file_missing) if it cannot be opened or is no plain file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ito::data
