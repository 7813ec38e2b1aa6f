// The safetensors format: a JSON header, then raw little-endian data.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace ito {

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;          ///< the header's __metadata__
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< in the order of their data; on the CPU

  /// The tensor of that name. Throws UserError(file_mismatch) naming `file`.
  const Tensor& at(const std::string& name, const std::filesystem::path& file) const;
  bool contains(const std::string& name) const;
};

/// Reads a whole file. Every number of the header is checked before memory is touched: sizes,
/// ranges, overlaps, duplicate names. Throws UserError (file_missing, file_truncated, file_corrupt;
/// file_unknown for element types that we do not have: F16, BOOL, ...).
SafetensorsFile read_safetensors(const std::filesystem::path& file);

/// Writes tensors (copied to the host) and metadata atomically: the old file stays until the new
/// one is complete. Data is aligned to 64 bytes. Throws UserError(write_failed).
void write_safetensors(const std::filesystem::path& file,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace ito
