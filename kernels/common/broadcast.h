// Broadcasting two operands over one result, with adjacent axes merged where both allow it.
#pragma once

#include "engine/core/shape.h"

namespace ito {

/// Axes from the outermost to the innermost; a stride is 0 where the operand is repeated. The
/// innermost stride is 0 or 1. rank is at least 1.
struct BroadcastPlan {
  int rank = 0;
  int64_t sizes[Shape::kMaxRank];
  int64_t stride_a[Shape::kMaxRank];
  int64_t stride_b[Shape::kMaxRank];

  int64_t inner() const { return sizes[rank - 1]; }
  int64_t rows() const;  ///< product of all sizes but the innermost
  /// Offsets of the operands for row `row` of the result.
  struct Offsets {
    int64_t a, b;
  };
  Offsets offsets(int64_t row) const;
};

/// Throws ShapeError if a or b does not broadcast to `out`.
BroadcastPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& out);

}  // namespace ito
