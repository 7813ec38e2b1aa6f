// Sums in the order of a GPU block, for CPU kernels that must find the same bits.
#pragma once

#include <array>
#include <cstddef>

namespace ito {

/// The sum of `part`, a power of two of numbers: again and again the upper half is added to the
/// lower one, as threads do it. Overwrites `part`.
template <size_t kCount>
double sum_by_halving(std::array<double, kCount>& part) {
  static_assert(kCount != 0 && (kCount & (kCount - 1)) == 0);
  for (size_t step = kCount / 2; step > 0; step /= 2) {
    for (size_t i = 0; i < step; ++i) part[i] += part[i + step];
  }
  return part[0];
}

}  // namespace ito
