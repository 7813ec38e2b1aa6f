// Copies of boxes between dense arrays: what permute, slice, pad and concat are made of.
#pragma once

#include <array>
#include <cstddef>

#include "engine/core/shape.h"

namespace ito {

/// Distance in elements between neighbours along each axis.
using Strides = std::array<int64_t, Shape::kMaxRank>;
Strides row_major_strides(const Shape& shape);

/// One side of a copy: element (0, 0, ...) of the box, and the steps from there.
template <class Pointer>
struct StridedArray {
  Pointer data;
  Strides strides;
};

/// to[i . to.strides] = from[i . from.strides] for every index i of `box`. Elements have 1, 2, 4 or
/// 8 bytes; the arrays must not overlap. Runs in parallel.
void strided_copy(const Shape& box, size_t element_bytes, const StridedArray<const void*>& from,
                  const StridedArray<void*>& to);

}  // namespace ito
