// Large files that are written piece by piece and are whole or absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace ito::data {

/// As write_file_atomically (engine/io/atomic_file.h), for content that does not fit into memory: a
/// temporary sibling that commit() syncs and renames. Without commit() it is removed. Members throw
/// UserError(write_failed).
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const uint8_t> bytes);                        ///< at the end
  void write_at(uint64_t position, std::span<const uint8_t> bytes);  ///< over what is there
  void commit();

 private:
  void flush();
  void put(uint64_t position, std::span<const uint8_t> bytes);

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  bool renamed_ = false;
  uint64_t flushed_ = 0;  // bytes of the file
  std::vector<uint8_t> buffer_;
};

}  // namespace ito::data
