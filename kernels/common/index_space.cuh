// From the number of a thread to the places of its operands: boxes of at most eight axes in which
// every operand has strides of its own. The host merges axes and cuts boxes that 32-bit numbers
// cannot count; kernels divide by multiplication.
#pragma once

#include <algorithm>
#include <array>

#include "engine/core/shape.h"
#include "kernels/common/gpu_kernels.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Items of one launch: what a Divider can divide.
inline constexpr int64_t kMaxItems = (int64_t{1} << 31) - 1;

inline constexpr int kItemThreads = 256;  // of a block that takes one item per thread

/// Division by a number known at the launch (Granlund & Montgomery, "Division by invariant integers
/// using multiplication", PLDI 1994, theorem 4.2): with 2^(s-1) < d <= 2^s and m = floor(2^(31+s) /
/// d) + 1, n / d = n m / 2^(31+s), rounded down, for every n < 2^31.
struct Divider {
  unsigned divisor = 1, multiplier = 0x80000001u, shift = 31;

  Divider() = default;
  /// Throws ShapeError unless 1 <= d < 2^31.
  explicit Divider(int64_t d) {
    ITO_CHECK(1 <= d && d <= kMaxItems, ShapeError, "an axis is too long for a kernel",
              kv("size", d));
    while (int64_t{1} << (shift - 31) < d) ++shift;
    divisor = static_cast<unsigned>(d);
    multiplier =
        static_cast<unsigned>((std::uint64_t{1} << shift) / static_cast<std::uint64_t>(d) + 1);
  }
  DEV unsigned quotient(unsigned n) const {
    return static_cast<unsigned>((static_cast<std::uint64_t>(n) * multiplier) >> shift);
  }
};

/// A box of K operands on the host: axes from the outermost to the innermost.
template <int K>
struct Box {
  static constexpr int kMaxAxes = Shape::kMaxRank + 2;
  using Offsets = std::array<int64_t, K>;

  int rank = 0;
  int64_t sizes[kMaxAxes] = {};
  Offsets strides[kMaxAxes] = {};

  /// Adds an axis inside those there are. It joins the last one if every operand steps over both as
  /// over one longer axis; an axis of size 1 disappears.
  void add(int64_t size, const Offsets& steps) {
    if (size == 1 && rank > 0) return;
    bool joins = rank > 0;
    for (std::size_t k = 0; joins && k < K; ++k) joins = strides[rank - 1][k] == steps[k] * size;
    if (rank > 0 && sizes[rank - 1] == 1) joins = true;
    if (joins) size *= sizes[--rank];
    sizes[rank] = size;
    strides[rank++] = steps;
  }
  int64_t inner() const { return sizes[rank - 1]; }
  const Offsets& inner_strides() const { return strides[rank - 1]; }
  int64_t items() const {
    int64_t count = 1;
    for (int i = 0; i < rank; ++i) count *= sizes[i];
    return count;
  }
};

/// Calls run(part, offsets of its first element) for parts of at most kMaxItems items: halves of
/// the outermost axis, as often as needed.
template <int K, class Run>
void for_parts(const Box<K>& box, typename Box<K>::Offsets first, const Run& run) {
  if (box.items() <= kMaxItems) return run(box, first);
  int axis = 0;
  while (box.sizes[axis] == 1) ++axis;
  Box<K> low = box, high = box;
  low.sizes[axis] = box.sizes[axis] / 2;
  high.sizes[axis] = box.sizes[axis] - low.sizes[axis];
  for_parts(low, first, run);
  for (std::size_t k = 0; k < K; ++k) first[k] += low.sizes[axis] * box.strides[axis][k];
  for_parts(high, first, run);
}

/// Calls run(first row, rows) for parts of at most kMaxItems items, for rows of `row` items.
template <class Run>
void for_row_parts(int64_t rows, int64_t row, const Run& run) {
  const int64_t step = std::max<int64_t>(kMaxItems / row, 1);
  for (int64_t first = 0; first < rows; first += step) run(first, std::min(step, rows - first));
}

/// A box as kernels see it.
template <int K>
struct BoxIndex {
  int rank = 0;
  Divider sizes[Box<K>::kMaxAxes];
  int64_t strides[Box<K>::kMaxAxes][K];

  explicit BoxIndex(const Box<K>& box) : rank(box.rank) {
    for (int i = 0; i < rank; ++i) {
      if (i > 0) sizes[i] = Divider(box.sizes[i]);  // nothing divides by the outermost size
      for (std::size_t k = 0; k < K; ++k) strides[i][k] = box.strides[i][k];
    }
  }
  /// Offsets of item n, counted in row-major order.
  DEV void locate(unsigned n, int64_t (&at)[K]) const {
    for (int k = 0; k < K; ++k) at[k] = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const unsigned quotient = axis > 0 ? sizes[axis].quotient(n) : 0;
      const unsigned index = n - quotient * sizes[axis].divisor;
#pragma unroll
      for (int k = 0; k < K; ++k) at[k] += index * strides[axis][k];
      n = quotient;
    }
  }
};

/// Number of the thread in the launch, for blocks of kItemThreads and up to kMaxItems items.
DEV unsigned item_number() { return blockIdx.x * kItemThreads + threadIdx.x; }

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
