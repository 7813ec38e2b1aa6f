// The two layouts of files written by torch.save, behind one interface.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tools/import/pickle.h"
#include "tools/import/torch_file.h"

namespace ito::tools {

class TorchFile::Archive {
 public:
  virtual ~Archive() = default;
  /// The pickle with the saved object. Called once, before storage().
  virtual Pickle object() = 0;
  /// The bytes of a storage, `size` of them.
  virtual std::vector<uint8_t> storage(const std::string& key, uint64_t size) = 0;
};

std::unique_ptr<TorchFile::Archive> open_zip_archive(const std::filesystem::path& file);
std::unique_ptr<TorchFile::Archive> open_stream_archive(const std::filesystem::path& file);

/// What the pickle says of a storage: ("storage", type, key, location, number of elements).
struct StorageInfo {
  std::string type;  ///< "torch.FloatStorage"
  std::string key;
  uint64_t elements = 0;
  uint64_t element_size = 0;
};
/// Throws UserError(file_corrupt) unless `value` describes a storage.
StorageInfo storage_info(const Pickle& pickle, const Value& value,
                         const std::filesystem::path& file);

/// Throws UserError(file_corrupt, file_truncated).
[[noreturn]] void corrupt_file(const std::filesystem::path& file, const std::string& fact);
[[noreturn]] void truncated_file(const std::filesystem::path& file, const std::string& fact);

}  // namespace ito::tools
