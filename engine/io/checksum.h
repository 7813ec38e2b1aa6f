// A short fingerprint of data, for comparing results between programs.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/tensor.h"

namespace ito {

/// FNV-1a, 64 bits, of the bytes of a tensor in row-major order (copied to the host if need be).
inline uint64_t checksum(const Tensor& tensor) {
  const Tensor host = tensor.to(kCpu);
  const auto* bytes = static_cast<const unsigned char*>(host.raw());
  uint64_t h = 14695981039346656037ull;
  for (size_t i = 0; i < host.bytes(); ++i) h = (h ^ bytes[i]) * 1099511628211ull;
  return h;
}

/// The same as 16 hexadecimal digits.
inline std::string checksum_text(const Tensor& tensor) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  const uint64_t h = checksum(tensor);
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[h >> shift & 15];
  return text;
}

}  // namespace ito
