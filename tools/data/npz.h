// Arrays in files of NumPy: .npz, a zip archive of .npy entries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.h"

namespace ito::data {

class ZipFile;

/// The array in the bytes of a .npy file (versions 1 to 3 of the format), on the CPU. Little-endian
/// f4, f8, i4, i8 and u1 in C order. `subject` stands in the errors.
/// Throws UserError: file_truncated, file_corrupt; file_unknown for element types and orders that
/// we do not read.
Tensor parse_npy(std::span<const uint8_t> bytes, std::string_view subject);
/// What stands before the elements in a .npy file (version 1), a multiple of 64 bytes. Throws
/// DTypeError for bf16.
std::string npy_header(const Shape& shape, DType dtype);
/// The bytes of a .npy file (version 1). Throws DTypeError for bf16.
std::vector<uint8_t> npy_bytes(const Tensor& tensor);

/// An archive whose arrays are read when they are asked for. What an entry claims is held against
/// kMaxContentBytes and against what packing can do before memory is touched.
class NpzFile {
 public:
  /// Throws UserError: file_missing, file_corrupt.
  explicit NpzFile(std::filesystem::path file);
  ~NpzFile();
  NpzFile(const NpzFile&) = delete;
  NpzFile& operator=(const NpzFile&) = delete;

  const std::filesystem::path& path() const;
  bool contains(const std::string& name) const;  ///< without ".npy"
  /// Throws UserError: file_mismatch if there is no such array, what parse_npy throws, and
  /// file_corrupt for a damaged entry.
  Tensor read(const std::string& name) const;

 private:
  std::unique_ptr<ZipFile> zip_;
};

enum class Packing : uint8_t { stored, deflated };

/// Writes arrays as numpy.savez or savez_compressed do, whole or not at all; the same arrays give
/// the same bytes. Throws UserError(write_failed), DTypeError.
void write_npz(const std::filesystem::path& file,
               const std::vector<std::pair<std::string, Tensor>>& arrays,
               Packing packing = Packing::deflated);

}  // namespace ito::data
