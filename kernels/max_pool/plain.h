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

/// Images and windows on which both ops are tested, `large` ones without derivatives.
struct PoolCase {
  const char* id;
  Shape x;
  ops::MaxPoolAttrs attrs;
  bool large = false;
};
inline const PoolCase kPoolCases[] = {
    {"refinenet", {2, 7, 6, 3}, {5, 1, 2}},   {"vector_channels", {1, 5, 6, 16}, {5, 1, 2}},
    {"halving", {2, 4, 6, 5}, {2, 2, 0}},     {"rest_of_stride", {1, 7, 8, 3}, {2, 3, 0}},
    {"overlapping", {2, 7, 5, 4}, {3, 2, 1}}, {"smaller_than_window", {2, 2, 3, 7}, {5, 1, 2}},
    {"one_pixel", {3, 1, 1, 4}, {5, 1, 2}},   {"identity", {1, 3, 4, 2}, {1, 1, 0}},
    {"even_window", {1, 5, 5, 3}, {4, 1, 2}}, {"one_window", {1, 15, 15, 1}, {15, 1, 0}},
    {"no_images", {0, 4, 4, 2}, {5, 1, 2}},   {"long", {2, 19, 33, 35}, {5, 1, 2}, true}};

}  // namespace ito
