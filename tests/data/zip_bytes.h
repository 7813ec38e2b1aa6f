// Zip archives put together byte by byte, so that what they claim can be made false.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ito::data::test {

using Bytes = std::vector<uint8_t>;

struct ZipEntry {
  std::string name;
  Bytes bytes;
  enum class Packing { stored, deflated } packing = Packing::stored;
  uint32_t claimed = 0;  ///< unpacked size in the directory; 0: the true one
};

/// A zip archive of these entries (PKWARE's APPNOTE).
Bytes zip(const std::vector<ZipEntry>& entries);

}  // namespace ito::data::test
