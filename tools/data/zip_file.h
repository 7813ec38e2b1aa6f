// Zip archives from outside: nothing is trusted, nothing is unpacked to disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ito::data {

/// An archive whose entries are unpacked when they are asked for. Names of entries are keys and
/// never become paths of files. Thread-safe.
class ZipFile {
 public:
  /// `fix` stands in the errors: what to do about a bad archive.
  /// Throws UserError: file_missing, file_corrupt.
  ZipFile(std::filesystem::path file, std::string fix);
  ~ZipFile();
  ZipFile(const ZipFile&) = delete;
  ZipFile& operator=(const ZipFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  uint64_t entries() const { return entries_; }
  std::string name(uint64_t entry) const;  ///< empty if the archive has none
  std::optional<uint64_t> find(const std::string& name) const;
  /// "archive.zip (name)": how errors call an entry.
  std::string subject(uint64_t entry) const;
  /// The bytes of an entry, at most `most` of them. What it claims is held against what packing can
  /// do, and memory grows with what is really unpacked. Throws UserError(file_corrupt).
  std::vector<uint8_t> read(uint64_t entry, uint64_t most) const;

 private:
  struct Archive;
  [[noreturn]] void corrupt(const std::string& subject, const std::string& fact) const;

  std::filesystem::path path_;
  std::string fix_;
  std::unique_ptr<Archive> archive_;
  uint64_t entries_ = 0;
};

}  // namespace ito::data
