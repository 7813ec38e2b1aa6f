// Reductions of the segments of a vector.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class SegmentKind {
  sum,     ///< in double, rounded once; 0 over nothing
  max,     ///< -infinity over nothing
  min,     ///< +infinity over nothing
  argmin,  ///< place inside the segment, the lowest of equal ones; -1 over nothing
};

/// y[s] reduces x[offsets[s]] ... x[offsets[s + 1] - 1] for x [N] and offsets i64 [S + 1], which
/// ascend within [0, N]. y is [S], like x, and i64 for argmin. A NaN in a segment makes sum, max
/// and min NaN, and argmin takes the first one. A zero that max or min finds is +0. f32, bf16, and
/// f64 on the CPU; sums have a fixed order on each kind of device. Not differentiable.
/// Throws ShapeError, DTypeError, and ValueError for offsets that fall or leave [0, N]; on a GPU
/// such a segment gives NaN, or -1.
Tensor segment_reduce(const Tensor& x, const Tensor& offsets, SegmentKind kind);

}  // namespace ito::ops
