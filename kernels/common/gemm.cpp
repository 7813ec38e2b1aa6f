#include "kernels/common/gemm.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/gemm_tile.h"
#include "kernels/common/scratch_slots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/common/gemm.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/register_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

static_assert(kTileRows % kRows == 0);

/// c[rows, panel] += a b for 1 <= rows <= kRows. More rows may be computed: the tile has room for
/// them.
template <Order kOrder, class A>
HWY_INLINE void multiply_rows(int64_t rows, const Product<A>& p) {
  if (rows > 4) return multiply<kRows, kVectors, kOrder>(p);
  if (rows > 2) return multiply<4, kVectors, kOrder>(p);
  if (rows == 2) return multiply<2, kVectors, kOrder>(p);
  multiply<1, kVectors, kOrder>(p);
}

/// y[0, n) = x[0, n) in the accumulation type.
template <class T, class A = Acc<T>>
HWY_INLINE void widen(const T* x, int64_t n, A* y) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(load(d, x + i), d, y + i);
  for (; i < n; ++i) y[i] = static_cast<A>(x[i]);
}

/// Rows [row, row + rows) and columns [depth_at, depth_at + depth) of A. Rows that complete the
/// last register tile are left as they are: their sums are never read.
template <class T, class A = Acc<T>>
void pack_a(const MatrixView<T>& a, int64_t row, int64_t rows, int64_t at, int64_t depth, A* to) {
  const T* from = a.data + row * a.row_stride + at * a.col_stride;
  if (a.col_stride == 1) {
    for (int64_t r = 0; r < rows; ++r) widen(from + r * a.row_stride, depth, to + r * kDepthStride);
    return;
  }
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t count = std::min<int64_t>(kRows, rows - r);
    for (int64_t k = 0; k < depth; ++k) {
      const T* x = from + r + k * a.col_stride;
      A* y = to + r * kDepth + k * kRows;
      for (int64_t i = 0; i < count; ++i) y[i] = static_cast<A>(x[i]);
    }
  }
}

/// Panels [depth][panel] of B's rows [at, at + depth), columns [col, col + cols), zero-padded.
template <class T, class A = Acc<T>>
void pack_b(const MatrixView<T>& b, int64_t at, int64_t depth, int64_t col, int64_t cols, A* to) {
  const int64_t width = panel_columns<A>();
  for (int64_t j = 0; j < cols; j += width, to += depth * width) {
    const T* from = b.data + at * b.row_stride + (col + j) * b.col_stride;
    const int64_t count = std::min(width, cols - j);
    if (count < width) std::fill_n(to, depth * width, A(0));
    if (b.col_stride == 1) {
      for (int64_t k = 0; k < depth; ++k) widen(from + k * b.row_stride, count, to + k * width);
      continue;
    }
    for (int64_t c = 0; c < count; ++c) {
      const T* x = from + c * b.col_stride;
      for (int64_t k = 0; k < depth; ++k) to[k * width + c] = static_cast<A>(x[k * b.row_stride]);
    }
  }
}

/// Sums of a tile += packed A packed B. Packed A is [rows][kDepthStride] in rows, or panels
/// [kDepth][kRows] by depth.
template <Order kOrder, class A>
void multiply_tile(const Tile& t, int64_t depth, const A* a, const A* b, A* sums) {
  const int64_t width = panel_columns<A>();
  constexpr int64_t kRowStep = kOrder == Order::by_row ? kDepthStride : kDepth;
  for (int64_t j = 0; j < t.cols; j += width) {
    for (int64_t r = 0; r < t.rows; r += kRows) {
      multiply_rows<kOrder>(std::min<int64_t>(kRows, t.rows - r),
                            Product<A>{.depth = depth,
                                       .a = a + r * kRowStep,
                                       .a_step = kOrder == Order::by_row ? kDepthStride : kRows,
                                       .b = b + j * depth,
                                       .b_step = width,
                                       .c = sums + r * kTileCols + j,
                                       .c_step = kTileCols,
                                       .start = GemmStart::result});
    }
  }
}

template <class T, class O, class A = Acc<T>>
void write_tile(const Gemm<T, O>& p, const Tile& t, const A* sums) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t r = 0; r < t.rows; ++r) {
    O* c = p.c + (t.row + r) * p.c_stride + t.col;
    const A* sum = sums + r * kTileCols;
    for (int64_t j = 0; j < t.cols; j += lanes) {
      const int64_t count = std::min(lanes, t.cols - j);
      auto v = hn::Load(d, sum + j);
      if (p.bias != nullptr) {
        const T* bias = p.bias + t.col + j;
        v = hn::Add(v,
                    count == lanes ? load(d, bias) : load_n(d, bias, static_cast<size_t>(count)));
      }
      if (count == lanes) {
        store(d, v, c + j);
      } else {
        store_n(d, v, c + j, static_cast<size_t>(count));
      }
    }
  }
}

template <class T, class O, class A = Acc<T>>
void gemm_tile(const Gemm<T, O>& p, const Tile& t, A* workspace) {
  A* a = workspace;
  A* b = a + kTileRows * kDepthStride;
  A* sums = b + kDepth * kTileCols;
  for (int64_t r = 0; r < t.rows; ++r) {
    A* row = sums + r * kTileCols;
    std::fill_n(row, kTileCols, A(0));
    if constexpr (std::is_same_v<O, A>) {
      const O* c = p.c + (t.row + r) * p.c_stride + t.col;
      if (p.start == GemmStart::result) std::copy_n(c, t.cols, row);
    }
  }
  for (int64_t at = 0; at < p.k; at += kDepth) {
    const int64_t depth = std::min(kDepth, p.k - at);
    pack_a(p.a, t.row, t.rows, at, depth, a);
    pack_b(p.b, at, depth, t.col, t.cols, b);
    if (p.a.col_stride == 1) {
      multiply_tile<Order::by_row>(t, depth, a, b, sums);
    } else {
      multiply_tile<Order::by_depth>(t, depth, a, b, sums);
    }
  }
  write_tile(p, t, sums);
}

void gemm_tile_f32(const Gemm<float, float>& p, const Tile& t, float* w) { gemm_tile(p, t, w); }
void gemm_tile_f64(const Gemm<double, double>& p, const Tile& t, double* w) { gemm_tile(p, t, w); }
void gemm_tile_bf16(const Gemm<BFloat16, BFloat16>& p, const Tile& t, float* w) {
  gemm_tile(p, t, w);
}
void gemm_tile_bf16_f32(const Gemm<BFloat16, float>& p, const Tile& t, float* w) {
  gemm_tile(p, t, w);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(gemm_tile_f32);
HWY_EXPORT(gemm_tile_f64);
HWY_EXPORT(gemm_tile_bf16);
HWY_EXPORT(gemm_tile_bf16_f32);

namespace {

void run_tile(const Gemm<float, float>& p, const Tile& t, float* w) {
  HWY_DYNAMIC_DISPATCH(gemm_tile_f32)(p, t, w);
}
void run_tile(const Gemm<double, double>& p, const Tile& t, double* w) {
  HWY_DYNAMIC_DISPATCH(gemm_tile_f64)(p, t, w);
}
void run_tile(const Gemm<BFloat16, BFloat16>& p, const Tile& t, float* w) {
  HWY_DYNAMIC_DISPATCH(gemm_tile_bf16)(p, t, w);
}
void run_tile(const Gemm<BFloat16, float>& p, const Tile& t, float* w) {
  HWY_DYNAMIC_DISPATCH(gemm_tile_bf16_f32)(p, t, w);
}

/// Tiles of one product, in rows of tiles.
struct Grid {
  int64_t rows, cols;  ///< of a tile
  int64_t down, across;

  Tile tile(int64_t index, int64_t m, int64_t n) const {
    const int64_t row = index / across * rows, col = index % across * cols;
    return {row, std::min(rows, m - row), col, std::min(cols, n - col)};
  }
};

/// Small products get smaller tiles, so that several threads have work. The tiling never changes a
/// bit of the result.
Grid grid_for(int64_t m, int64_t n, int64_t batch) {
  constexpr int64_t kEnough = 8;
  const auto up = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  Grid g{kTileRows, kTileCols, up(m, kTileRows), up(n, kTileCols)};
  while (g.rows > 72 && g.down * g.across * batch < kEnough && m > g.rows / 2) {
    g.rows /= 2;
    g.down = up(m, g.rows);
  }
  return g;
}

}  // namespace

int64_t gemm_workspace_size() {
  return kTileRows * kDepthStride + kDepth * kTileCols + kTileRows * kTileCols;
}

template <class T, class O>
void gemm_serial(const Gemm<T, O>& p, Acc<T>* workspace) {
  const Grid g = grid_for(p.m, p.n, 8);
  for (int64_t i = 0; i < g.down * g.across; ++i) run_tile(p, g.tile(i, p.m, p.n), workspace);
}

template <class T, class O>
void gemm(Launch& launch, const Gemm<T, O>& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  const Grid g = grid_for(p.m, p.n, p.batch);
  const int64_t tiles = g.down * g.across;
  ScratchSlots<Acc<T>> slots(launch, tiles * p.batch, gemm_workspace_size());
  parallel_for(tiles * p.batch, [&](int64_t task) {
    Gemm<T, O> one = p;
    one.a.data += task / tiles * p.a_batch;
    one.b.data += task / tiles * p.b_batch;
    one.c += task / tiles * p.c_batch;
    slots.with([&](Acc<T>* w) { run_tile(one, g.tile(task % tiles, p.m, p.n), w); });
  });
}

#define ITO_GEMM(T, O)                                   \
  template void gemm(Launch& launch, const Gemm<T, O>&); \
  template void gemm_serial(const Gemm<T, O>&, Acc<T>*);
ITO_GEMM(float, float)
ITO_GEMM(double, double)
ITO_GEMM(BFloat16, BFloat16)
ITO_GEMM(BFloat16, float)
#undef ITO_GEMM

}  // namespace ito
#endif
