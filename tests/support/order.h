// Orders of convergence from measured errors.
#pragma once

#include <cmath>
#include <vector>

namespace ito::testing {

/// Least-squares slope of -log2(error) over the index: the order of convergence, for errors of
/// steps that halve from one to the next.
inline double order_of(const std::vector<double>& errors) {
  const auto n = static_cast<double>(errors.size());
  double sx = 0, sy = 0, sxy = 0, sxx = 0;
  for (size_t i = 0; i < errors.size(); ++i) {
    const auto x = static_cast<double>(i);
    const double y = std::log2(errors[i]);
    sx += x, sy += y, sxy += x * y, sxx += x * x;
  }
  return -(n * sxy - sx * sy) / (n * sxx - sx * sx);
}

}  // namespace ito::testing
