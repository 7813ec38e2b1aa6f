// Features that this program and NumPy make by the same formula.
#pragma once

#include <cmath>

#include "engine/core/tensor.h"

namespace ito::metrics::test {

/// x[i, j] = sin(0.37 (i + 1)(j + 1) + 0.2 j^2 + s) + 0.1 s cos(0.11 i^2 + j), f64 [n, d].
inline Tensor wavy(int64_t n, int64_t d, double s) {
  Tensor x = Tensor::empty({n, d}, DType::f64);
  for (int64_t k = 0; k < n * d; ++k) {
    const auto i = static_cast<double>(k / d), j = static_cast<double>(k % d);
    x.data<double>()[k] =
        std::sin(0.37 * (i + 1) * (j + 1) + 0.2 * j * j + s) + 0.1 * s * std::cos(0.11 * i * i + j);
  }
  return x;
}

}  // namespace ito::metrics::test
