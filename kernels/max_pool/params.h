// What max_pool and max_pool_dx share: attributes, sizes, and which pixels see which windows.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"
#include "engine/random/host_device.h"

namespace ito {

namespace ops {

/// Side of the square windows (1 to 15 pixels), step between them, and by how much the first one
/// starts before the image.
struct MaxPoolAttrs {
  int kernel = 2;
  int stride = 2;
  int pad = 0;
};

}  // namespace ops

inline constexpr int kMaxPoolKernel = 15;  // the place in a window fits into a byte

/// First of a run of indices, and the one after the last.
struct IndexRange {
  int begin, end;
};

/// One axis of a pooling: `in` pixels, `out` windows.
struct PoolAxis {
  int in, out;
  int kernel, stride, pad;

  /// First pixel of window r; it may lie before the image.
  ITO_HD int start(int r) const { return r * stride - pad; }
  /// Pixels of window r.
  ITO_HD IndexRange pixels(int r) const {
    const int first = start(r), last = first + kernel;
    return {first > 0 ? first : 0, last < in ? last : in};
  }
  /// Windows that hold pixel i.
  ITO_HD IndexRange windows(int i) const {
    const int low = i + pad - kernel + 1, high = (i + pad) / stride + 1;
    return {low > 0 ? (low + stride - 1) / stride : 0, high < out ? high : out};
  }
};

struct PoolGeometry {
  int64_t n, c;
  PoolAxis rows, columns;

  Shape windows() const { return {n, rows.out, columns.out, c}; }
};

/// Sizes of a pooling of x [N, H, W, C]. Throws ShapeError.
PoolGeometry pool_geometry(const Shape& x, const ops::MaxPoolAttrs& attrs);

}  // namespace ito
