#include "tools/metrics/features.h"

#include <algorithm>

#include "kernels/cast/op.h"

namespace ito::metrics {

Tensor rows_f64(const Tensor& x, int64_t first, int64_t count) {
  ITO_CHECK(x.rank() >= 1 && first >= 0 && count >= 0 && first + count <= x.size(0), ShapeError,
            "needs rows that exist", kv("x", x.shape()), kv("first", first), kv("count", count));
  const int64_t width = x.shape().numel_of(1, x.rank());
  const size_t row = static_cast<size_t>(width) * size_of(x.dtype());
  const Tensor rows = Tensor::view(x.storage(), x.byte_offset() + static_cast<size_t>(first) * row,
                                   {count, width}, x.dtype());
  return ops::cast(rows.to(kCpu), DType::f64);
}

void for_row_blocks(const Tensor& x, int64_t step,
                    const std::function<void(const Tensor&, int64_t)>& body) {
  for (int64_t first = 0; first < x.size(0); first += step) {
    body(rows_f64(x, first, std::min(step, x.size(0) - first)), first);
  }
}

}  // namespace ito::metrics
