// The digest of a file, as `sha256sum` prints it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ito {

/// SHA-256 (FIPS 180-4) of bytes that may come piece by piece.
class Sha256 {
 public:
  void add(const void* data, size_t count);
  /// Of all bytes so far, as 64 hexadecimal digits. More may follow.
  std::string text() const;

 private:
  void add_block(const uint8_t* block);

  static constexpr size_t kBlock = 64;
  std::array<uint32_t, 8> hash_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, kBlock> rest_ = {};  // bytes that fill no block yet
  uint64_t count_ = 0;                     // bytes so far, modulo 2^64
};

}  // namespace ito
