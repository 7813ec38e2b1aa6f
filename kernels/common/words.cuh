// What kernels share that only move data. They know no dtype: they move words of 1 to 16 bytes, the
// widest that addresses and sizes allow.
#pragma once

#include "kernels/common/gpu_kernels.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

struct alignas(16) Word16 {
  std::uint32_t v[4];
};

/// Width of the words in which things can be moved whose sizes and addresses, in bytes, are or-ed
/// together in `bits`.
inline int64_t word_bytes(std::uint64_t bits) {
  bits |= sizeof(Word16);
  return static_cast<int64_t>(bits & (~bits + 1));
}
inline std::uint64_t address_bits(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address);
}

/// Calls f.template operator()<Word>() for an element of 1, 2, 4 or 8 bytes.
template <class F>
void dispatch_bytes(int64_t bytes, F&& f) {
  if (bytes == 1) return f.template operator()<std::uint8_t>();
  if (bytes == 2) return f.template operator()<std::uint16_t>();
  if (bytes == 4) return f.template operator()<std::uint32_t>();
  f.template operator()<std::uint64_t>();
}
/// The same for words of up to 16 bytes.
template <class F>
void dispatch_word(int64_t bytes, F&& f) {
  if (bytes == sizeof(Word16)) return f.template operator()<Word16>();
  dispatch_bytes(bytes, f);
}

/// Kernels that only move data take every dtype.
inline bool handles_every_dtype(const Specs&, const void*) { return true; }

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
