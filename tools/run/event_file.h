// Event files of TensorBoard: scalars and pictures of a run.
//
// The format is TensorFlow's: records of length, checksum of the length, data, checksum of the
// data; the data is the protocol buffer tensorflow.Event, of which a few fields are written by
// hand.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/data/image.h"

namespace ito::tools {

class EventFile {
 public:
  /// Starts a new file in `folder`, which TensorBoard reads after those of earlier sessions; what
  /// these say of steps from `first_step` on no longer counts. Throws UserError(write_failed).
  EventFile(const std::filesystem::path& folder, int64_t first_step);

  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void picture(int64_t step, const std::string& tag, const data::Image& image);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write(std::string_view event);

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// CRC-32C (Castagnoli), as the records use it.
uint32_t crc32c(std::span<const uint8_t> bytes);

}  // namespace ito::tools
