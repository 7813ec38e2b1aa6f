// A file of NumPy that grows row by row and survives being killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/core/tensor.h"

namespace ito::tools {

/// What to do with results of other settings that are in the way.
enum class Existing : uint8_t { refuse, overwrite };

/// Keeps other processes away from an output as long as it lives (flock).
class OutputLock {
 public:
  /// `flags` of open(2). Throws UserError: write_failed if `place` cannot be opened, output_locked
  /// if another process has locked it.
  OutputLock(const std::filesystem::path& place, int flags);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Removes what killed processes left of files of `folder` whose names begin with `prefix`. The
/// caller holds the lock that keeps others from writing them.
void remove_temporaries(const std::filesystem::path& folder, const std::string& prefix);

/// The key in which a JSON object `found` first differs from `wanted` ("seed", "sampling.steps");
/// "" if it has all keys of `wanted` with the same values. Text that is no object differs in
/// "format".
std::string first_difference(const std::string& wanted, const std::string& found);

/// An .npz file with the one array arr_0 [N, ...]. Finished rows stand in `<file>.partial`, with
/// what they are and how many in `<file>.partial.json`. The finished file carries its record as the
/// archive's comment. Memory does not depend on N.
class ArrayFile {
 public:
  /// `record`: JSON of everything that the rows depend on. Finds what an earlier process left.
  /// Throws UserError: output_exists if the file, or a part of it, has another record and
  /// `existing` is refuse; output_locked; write_failed.
  ArrayFile(std::filesystem::path file, const Shape& shape, DType dtype, const std::string& record,
            Existing existing);
  /// Leaves no files where no row was finished.
  ~ArrayFile();
  ArrayFile(const ArrayFile&) = delete;
  ArrayFile& operator=(const ArrayFile&) = delete;

  /// Rows [0, done) are finished.
  int64_t done() const { return done_; }
  /// Writes row i of the array. Throws UserError(write_failed).
  void write(int64_t i, std::span<const uint8_t> bytes);
  /// Rows [0, done) are finished and will be found again.
  void mark_done(int64_t done);
  /// Turns the finished rows into the .npz file.
  void finish();

 private:
  bool is_finished() const;
  std::optional<int64_t> counted_rows() const;
  void begin();
  void write_at(uint64_t offset, std::span<const uint8_t> bytes);
  void remove_parts() const;

  std::filesystem::path file_, partial_, state_;
  std::string record_, header_;
  size_t row_bytes_;
  int64_t rows_, done_ = 0;
  Existing existing_;
  std::unique_ptr<OutputLock> lock_;  // and descriptor of the partial file; null when finished
};

}  // namespace ito::tools
