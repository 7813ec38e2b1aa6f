// Inputs whose sums are exact in float, and bitwise comparison: whatever the order of a sum, every
// path must give the same bits.
#pragma once

#include <cstring>
#include <vector>

#include "engine/core/tensor.h"

namespace ito::testing {

/// Integers in [-3, 3] from a fixed congruential sequence (Knuth's MMIX constants). Sums of up to
/// 2^24 / 9 products are exact in float.
inline Tensor small_integers(const Shape& shape, DType dtype, uint64_t seed) {
  Tensor x = Tensor::empty(shape, dtype);
  dispatch_float(dtype, "small_integers", [&]<class T>() {
    uint64_t state = seed;
    for (T& v : x.span<T>()) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      v = static_cast<T>(static_cast<float>(static_cast<int>((state >> 33) % 7) - 3));
    }
  });
  return x;
}

/// Fractions with a full mantissa, so that the order of a sum shows in its last bits.
inline Tensor fractions(const Shape& shape, DType dtype, uint64_t seed) {
  Tensor x = Tensor::empty(shape, dtype);
  dispatch_float(dtype, "fractions", [&]<class T>() {
    uint64_t state = seed;
    for (T& v : x.span<T>()) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      v = static_cast<T>(static_cast<float>(static_cast<int32_t>(state >> 32)) * 0x1p-31f);
    }
  });
  return x;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.numel() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

/// Row `i` of the leading axis, as a batch of one.
inline Tensor row_of(const Tensor& x, int64_t i) {
  const Shape one = x.shape().with(0, 1);
  const size_t bytes = x.bytes() / static_cast<size_t>(x.size(0));
  return Tensor::view(x.storage(), x.byte_offset() + static_cast<size_t>(i) * bytes, one,
                      x.dtype());
}

}  // namespace ito::testing
