// A short fingerprint of data, for comparing results between programs.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/tensor.h"

namespace ito {

/// FNV-1a, 64 bits, of bytes that may come piece by piece.
class Checksum {
 public:
  void add(const void* data, size_t count) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < count; ++i) hash_ = (hash_ ^ bytes[i]) * 1099511628211ull;
  }
  /// The bytes of a tensor in row-major order (copied to the host if need be).
  void add(const Tensor& tensor) {
    const Tensor host = tensor.to(kCpu);
    add(host.raw(), host.bytes());
  }
  uint64_t value() const { return hash_; }
  /// The same as 16 hexadecimal digits.
  std::string text() const {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4) digits += kDigits[hash_ >> shift & 15];
    return digits;
  }

 private:
  uint64_t hash_ = 14695981039346656037ull;
};

inline uint64_t checksum(const Tensor& tensor) {
  Checksum sum;
  sum.add(tensor);
  return sum.value();
}
inline std::string checksum_text(const Tensor& tensor) {
  Checksum sum;
  sum.add(tensor);
  return sum.text();
}

}  // namespace ito
