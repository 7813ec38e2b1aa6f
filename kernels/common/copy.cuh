// Copies of boxes between dense arrays, in the widest words that both sides allow. Where the
// innermost axes of source and target differ, a block turns a tile of 32 by 32 elements in shared
// memory, so that both sides see whole lines.
#pragma once

#include "kernels/common/index_space.cuh"
#include "kernels/common/strided_copy.h"
#include "kernels/common/words.cuh"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// A thread moves one word.
template <class Word>
KERNEL(kItemThreads)
copy_kernel(BoxIndex<2> box, unsigned items, const Word* __restrict__ from, Word* __restrict__ to) {
  const unsigned item = item_number();
  if (item >= items) return;
  int64_t at[2];
  box.locate(item, at);
  to[at[1]] = from[at[0]];
}

/// A plane to turn: rows are dense in the target, columns in the source.
struct Transposition {
  int64_t rows, columns;          ///< extent along the target's and along the source's dense axis
  int64_t row_step, column_step;  ///< source: along rows; target: along columns
  Divider row_tiles, column_tiles;
};

inline constexpr int kTileSide = 32;
inline constexpr int kTileRows = 8;  // of threads
inline constexpr int kTileThreads = kTileSide * kTileRows;

template <class Word>
KERNEL(kTileThreads)
transpose_kernel(Transposition t, BoxIndex<2> planes, const Word* __restrict__ from,
                 Word* __restrict__ to) {
  __shared__ Word tile[kTileSide][kTileSide + 1];  // one more: columns fall on all banks
  const unsigned strip = t.row_tiles.quotient(blockIdx.x);
  const unsigned plane = t.column_tiles.quotient(strip);
  int64_t at[2];
  planes.locate(plane, at);
  const int64_t row = static_cast<int64_t>(blockIdx.x - strip * t.row_tiles.divisor) * kTileSide;
  const int64_t column = static_cast<int64_t>(strip - plane * t.column_tiles.divisor) * kTileSide;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  for (int i = y; i < kTileSide; i += kTileRows) {
    if (row + i < t.rows && column + x < t.columns) {
      tile[i][x] = from[at[0] + (row + i) * t.row_step + column + x];
    }
  }
  __syncthreads();
  for (int i = y; i < kTileSide; i += kTileRows) {
    if (row + x < t.rows && column + i < t.columns) {
      to[at[1] + (column + i) * t.column_step + row + x] = tile[x][i];
    }
  }
}

template <class Word>
void launch_copy(Launch& launch, const Box<2>& box, const void* from, void* to) {
  for_parts(box, {}, [&](const Box<2>& part, const std::array<int64_t, 2>& first) {
    check(gpu::launch(copy_kernel<Word>, blocks_for(part.items(), kItemThreads), kItemThreads, 0,
                      launch.stream(), BoxIndex<2>(part), static_cast<unsigned>(part.items()),
                      static_cast<const Word*>(from) + first[0],
                      static_cast<Word*>(to) + first[1]));
  });
}

/// Both sides dense along the innermost axis: counts in words instead of elements.
inline void copy_rows(Launch& launch, Box<2> box, int64_t element, const void* from, void* to) {
  const int last = box.rank - 1;
  auto bits = address_bits(from) | address_bits(to);
  for (int i = 0; i < box.rank; ++i) {
    const bool inner = i == last;
    if (inner) bits |= static_cast<std::uint64_t>(box.sizes[i] * element);
    for (const int64_t step : box.strides[i]) {
      if (!inner) bits |= static_cast<std::uint64_t>(step * element);
    }
  }
  const int64_t word = word_bytes(bits);
  box.sizes[last] = box.sizes[last] * element / word;
  for (int i = 0; i < last; ++i) {
    for (int64_t& step : box.strides[i]) step = step * element / word;
  }
  dispatch_word(word, [&]<class Word>() { launch_copy<Word>(launch, box, from, to); });
}

/// The axis along which the source is dense, where turning tiles pays; else -1.
inline int axis_to_turn(const Box<2>& box) {
  constexpr int64_t kLeast = 8;  // thinner planes leave most of a tile empty
  if (box.inner_strides()[1] != 1 || box.inner() < kLeast) return -1;
  for (int i = 0; i + 1 < box.rank; ++i) {
    if (box.strides[i][0] == 1 && box.sizes[i] >= kLeast) return i;
  }
  return -1;
}

/// Turns the planes of the innermost axis and `axis`. Returns false where a grid cannot count them.
template <class Word>
bool transpose(Launch& launch, const Box<2>& box, int axis, const void* from, void* to) {
  Box<2> planes;
  planes.add(1, {0, 0});
  for (int i = 0; i + 1 < box.rank; ++i) {
    if (i != axis) planes.add(box.sizes[i], box.strides[i]);
  }
  const int64_t row_tiles = blocks_for(box.inner(), kTileSide);
  const int64_t column_tiles = blocks_for(box.sizes[axis], kTileSide);
  const int64_t blocks = planes.items() * row_tiles * column_tiles;
  if (blocks > kMaxItems) return false;
  const Transposition t{.rows = box.inner(),
                        .columns = box.sizes[axis],
                        .row_step = box.inner_strides()[0],
                        .column_step = box.strides[axis][1],
                        .row_tiles = Divider(row_tiles),
                        .column_tiles = Divider(column_tiles)};
  check(gpu::launch(transpose_kernel<Word>, static_cast<unsigned>(blocks),
                    dim3(kTileSide, kTileRows), 0, launch.stream(), t, BoxIndex<2>(planes),
                    static_cast<const Word*>(from), static_cast<Word*>(to)));
  return true;
}

/// to[i . to.strides] = from[i . from.strides] for every index i of `shape`, as strided_copy of the
/// CPU; strides count elements. The arrays do not overlap.
inline void copy_box(Launch& launch, const Shape& shape, std::size_t element_bytes,
                     const StridedArray<const void*>& from, const StridedArray<void*>& to) {
  if (shape.numel() == 0) return;
  Box<2> box;
  for (int i = 0; i < shape.rank(); ++i) {
    const auto axis = static_cast<std::size_t>(i);
    box.add(shape[i], {from.strides[axis], to.strides[axis]});
  }
  if (box.items() == 1) {
    box = {};
    box.add(1, {1, 1});
  }
  const auto element = static_cast<int64_t>(element_bytes);
  if (box.inner_strides()[0] == 1 && box.inner_strides()[1] == 1) {
    return copy_rows(launch, box, element, from.data, to.data);
  }
  const int axis = axis_to_turn(box);
  dispatch_bytes(element, [&]<class Word>() {
    if (axis >= 0 && transpose<Word>(launch, box, axis, from.data, to.data)) return;
    launch_copy<Word>(launch, box, from.data, to.data);
  });
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
