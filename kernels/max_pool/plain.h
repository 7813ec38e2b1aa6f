// The plain loop that max_pool and max_pool_dx are defined by.
#pragma once

#include <cmath>

#include "kernels/max_pool/params.h"

namespace ito {

/// Offset in keys [N, H, W, C] of the largest key of a window, for element `window` of [N, Ho, Wo,
/// C]: the first of equal ones; a NaN is largest, the last of several.
template <class T>
int64_t chosen_pixel(const PoolGeometry& g, const T* keys, int64_t window) {
  const int64_t c = window % g.c, s = window / g.c % g.columns.out;
  const int64_t r = window / (g.c * g.columns.out) % g.rows.out;
  const int64_t n = window / (g.c * g.columns.out * g.rows.out);
  const int64_t kernel = g.rows.kernel, stride = g.rows.stride, pad = g.rows.pad;
  int64_t chosen = -1;
  for (int64_t i = r * stride - pad; i < r * stride - pad + kernel; ++i) {
    for (int64_t j = s * stride - pad; j < s * stride - pad + kernel; ++j) {
      if (i < 0 || i >= g.rows.in || j < 0 || j >= g.columns.in) continue;
      const int64_t at = ((n * g.rows.in + i) * g.columns.in + j) * g.c + c;
      const bool nan = std::isnan(static_cast<double>(keys[at]));
      if (chosen < 0 || keys[at] > keys[chosen] || nan) chosen = at;
    }
  }
  return chosen;
}

}  // namespace ito
