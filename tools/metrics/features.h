// What the metrics share: rows of features [N, d] in fp64.
#pragma once

#include <functional>

#include "engine/core/tensor.h"

namespace ito::metrics {

/// Rows [first, first + count) of x [N, ...] of any floating or byte type as f64 [count, d] on the
/// CPU.
Tensor rows_f64(const Tensor& x, int64_t first, int64_t count);

/// Calls body(rows [n, d] f64, first) for pieces of `step` rows, in order.
void for_row_blocks(const Tensor& x, int64_t step,
                    const std::function<void(const Tensor& rows, int64_t first)>& body);

}  // namespace ito::metrics
