// Files written by torch.save: a pickle of plain values, and the storages that its tensors view.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/core/tensor.h"
#include "tools/import/pickle.h"

namespace ito::tools {

/// Reads both layouts: the zip archive (PyTorch 1.6 and later) and the older stream. Values are
/// read at once, tensors one by one when they are asked for. Throws UserError (file_missing,
/// file_truncated, file_corrupt; file_unknown for other formats, names that are not allowed, and
/// element types that we do not have).
class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& file);
  ~TorchFile();
  TorchFile(const TorchFile&) = delete;
  TorchFile& operator=(const TorchFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const Value& root() const { return pickle_.at(pickle_.root); }
  const Value& at(ValueId id) const { return pickle_.at(id); }
  /// The value under a text key, or null. As in Python, the last one if there are several.
  const Value* find(const Value& dict, std::string_view key) const;

  /// Shape and element type of a value of kind tensor, without reading its data. `name` stands in
  /// the errors.
  Shape shape(const Value& tensor, std::string_view name) const;
  DType dtype(const Value& tensor, std::string_view name) const;
  /// A contiguous copy. Refuses tensors that reach beyond their storage, or that have two elements
  /// in one place, so that a small file cannot ask for a lot of memory.
  Tensor read(const Value& tensor, std::string_view name) const;

  class Archive;  ///< where the bytes are

 private:
  struct View;
  View view(const Value& tensor, std::string_view name) const;

  std::filesystem::path path_;
  std::unique_ptr<Archive> archive_;
  Pickle pickle_;
};

}  // namespace ito::tools
