#include "kernels/common/strided_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "engine/core/parallel.h"

namespace ito {
namespace {

constexpr int64_t kChunkBytes = 1 << 16;
constexpr int64_t kStrip = 32;  // rows taken together: whole cache lines of a transposed source
constexpr int64_t kTile = 8;    // columns of a transposition: lines of its source that often lie a
                                // power of two apart, so that few of them fit in the cache

struct Axis {
  int64_t size = 1, from = 0, to = 0;
};

/// The box as few axes as possible; at least two, so that it is a list of planes [rows, columns].
struct Box {
  std::array<Axis, Shape::kMaxRank + 2> axes;
  int rank = 0;

  const Axis& rows() const { return axes[static_cast<size_t>(rank - 2)]; }
  const Axis& columns() const { return axes[static_cast<size_t>(rank - 1)]; }
  bool rows_are_dense() const { return columns().from == 1 && columns().to == 1; }

  /// Offsets of a plane, counted over the axes before the last two.
  std::pair<int64_t, int64_t> plane_offsets(int64_t plane) const {
    int64_t from = 0, to = 0;
    for (int i = rank - 3; i >= 0; --i) {
      const Axis& axis = axes[static_cast<size_t>(i)];
      from += plane % axis.size * axis.from;
      to += plane % axis.size * axis.to;
      plane /= axis.size;
    }
    return {from, to};
  }
};

/// Drops axes of size 1, and joins neighbours that lie densely on both sides.
Box collapsed(const Shape& shape, const Strides& from, const Strides& to) {
  Box box;  // two axes of one element, for boxes of lower rank
  box.rank = 2;
  for (int i = 0; i < shape.rank(); ++i) {
    const Axis axis{shape[i], from[static_cast<size_t>(i)], to[static_cast<size_t>(i)]};
    if (axis.size == 1) continue;
    Axis& last = box.axes[static_cast<size_t>(box.rank - 1)];
    if (last.from == axis.size * axis.from && last.to == axis.size * axis.to) {
      last = {last.size * axis.size, axis.from, axis.to};
    } else {
      box.axes[static_cast<size_t>(box.rank++)] = axis;
    }
  }
  if (box.rank == 2) box.axes[1] = {1, 1, 1};
  return box;
}

/// A transposition reads along its rows and writes along its columns: the axis that is dense in the
/// source becomes the one of the rows.
void bring_source_axis_to_rows(Box& box) {
  const auto end = box.axes.begin() + box.rank;
  const auto dense =
      std::find_if(box.axes.begin(), end - 1, [](const Axis& a) { return a.from == 1; });
  if (dense != end - 1) std::rotate(dense, dense + 1, end - 1);
}

struct Range {
  int64_t begin, end;
};

template <class Word>
void copy_part(const Box& box, Range rows, Range columns, const Word* from, Word* to) {
  const Axis row = box.rows(), column = box.columns();
  if (box.rows_are_dense()) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      std::memcpy(to + r * row.to + columns.begin, from + r * row.from + columns.begin,
                  static_cast<size_t>(columns.end - columns.begin) * sizeof(Word));
    }
    return;
  }
  for (int64_t left = columns.begin; left < columns.end; left += kTile) {
    const int64_t right = std::min(left + kTile, columns.end);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      for (int64_t c = left; c < right; ++c) {
        to[r * row.to + c * column.to] = from[r * row.from + c * column.from];
      }
    }
  }
}

/// Planes are cut into strips of kStrip rows, and these into pieces of kPiece columns.
template <class Word>
void copy_box(const Box& box, const Word* from, Word* to) {
  constexpr int64_t kPiece = 1 << 13;
  int64_t planes = 1;
  for (int i = 0; i < box.rank - 2; ++i) planes *= box.axes[static_cast<size_t>(i)].size;
  const int64_t rows = box.rows().size, columns = box.columns().size;
  const int64_t strips = (rows + kStrip - 1) / kStrip, pieces = (columns + kPiece - 1) / kPiece;
  const int64_t task_bytes =
      std::min(kStrip, rows) * std::min(kPiece, columns) * static_cast<int64_t>(sizeof(Word));
  parallel_ranges(
      planes * strips * pieces, kChunkBytes / task_bytes, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const auto [from_offset, to_offset] = box.plane_offsets(task / (strips * pieces));
          const int64_t first = task / pieces % strips * kStrip, left = task % pieces * kPiece;
          copy_part<Word>(box, {first, std::min(first + kStrip, rows)},
                          {left, std::min(left + kPiece, columns)}, from + from_offset,
                          to + to_offset);
        }
      });
}

}  // namespace

Strides row_major_strides(const Shape& shape) {
  Strides strides{};
  for (int i = 0; i < shape.rank(); ++i) {
    strides[static_cast<size_t>(i)] = shape.numel_of(i + 1, shape.rank());
  }
  return strides;
}

void strided_copy(const Shape& box, size_t element_bytes, const StridedArray<const void*>& from,
                  const StridedArray<void*>& to) {
  if (box.numel() == 0) return;
  Box plan = collapsed(box, from.strides, to.strides);
  if (!plan.rows_are_dense()) bring_source_axis_to_rows(plan);
  const auto run = [&]<class Word>(Word) {
    copy_box(plan, static_cast<const Word*>(from.data), static_cast<Word*>(to.data));
  };
  if (element_bytes == 1) run(uint8_t{});
  if (element_bytes == 2) run(uint16_t{});
  if (element_bytes == 4) run(uint32_t{});
  if (element_bytes == 8) run(uint64_t{});
}

}  // namespace ito
