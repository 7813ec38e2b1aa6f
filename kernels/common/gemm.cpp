#include "kernels/common/gemm.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/bf16_dot.h"
#include "kernels/common/gemm_tile.h"
#include "kernels/common/scratch_slots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/common/gemm.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/operand_forms-inl.h"
#include "kernels/common/register_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

static_assert(kTileRows % kRows == 0);

/// c[rows, panel] += a b for 1 <= rows <= kRows. More rows may be computed: the tile has room for
/// them.
template <Order kOrder, class A>
HWY_INLINE void multiply_rows(int64_t rows, const Product<A>& p) {
  if (rows > 8) return multiply<kRows, kVectors, kOrder>(p);
  if (rows > 4) return multiply<std::min(kRows, 8), kVectors, kOrder>(p);
  if (rows > 2) return multiply<4, kVectors, kOrder>(p);
  if (rows == 2) return multiply<2, kVectors, kOrder>(p);
  multiply<1, kVectors, kOrder>(p);
}

constexpr int64_t steps_of(int64_t depth, int64_t per_step) {
  return (depth + per_step - 1) / per_step;
}

/// The depth of a product in steps: those of its segments one after the other.
template <class Form>
struct Depth {
  int64_t values, steps;  ///< of a segment
  int64_t total;          ///< steps of all segments

  Depth(int64_t k, int64_t segments)
      : values(k / segments), steps(steps_of(values, Form::kPerStep)), total(steps * segments) {}
  template <class T, class O>
  explicit Depth(const Gemm<T, O>& p) : Depth(p.k, p.segments == nullptr ? 1 : p.segments->count) {}

  /// Calls body(segment, its first value, values, where) for what the block of steps
  /// [at, at + count) has of each segment; where: the first step in the block.
  template <class Body>
  HWY_INLINE void for_each_part(int64_t at, int64_t count, Body&& body) const {
    for (int64_t done = 0; done < count;) {
      const int64_t segment = (at + done) / steps, first = (at + done) % steps;
      const int64_t part = std::min(steps - first, count - done);
      const int64_t value = first * Form::kPerStep;
      body(segment, value, std::min(part * Form::kPerStep, values - value), done);
      done += part;
    }
  }
};

/// Rows [row, row + rows) of A, `steps` from step `at` on: [rows][kDepthStride] where A's rows are
/// contiguous, else panels [kDepth][kRows]. Rows that complete the last register tile are left as
/// they are: their sums are never read.
template <class Form, class T, class O>
void pack_a(const Gemm<T, O>& p, const Tile& t, int64_t at, int64_t steps,
            typename Form::Step* to) {
  const Depth<Form> depth(p);
  const MatrixView<T>& a = p.a;
  if (p.segments != nullptr) {
    const T* rows[kTileRows];
    depth.for_each_part(at, steps,
                        [&](int64_t segment, int64_t value, int64_t count, int64_t where) HWY_ATTR {
                          p.segments->rows(segment, t.row, t.rows, rows);
                          for (int64_t r = 0; r < t.rows; ++r) {
                            typename Form::Step* row = to + r * kDepthStride + where;
                            if (rows[r] == nullptr) {
                              std::fill_n(row, steps_of(count, Form::kPerStep), 0);
                            } else {
                              Form::copy_row(rows[r] + value, count, row);
                            }
                          }
                        });
    return;
  }
  const int64_t value = at * Form::kPerStep, count = std::min(steps * Form::kPerStep, p.k - value);
  const T* from = a.data + t.row * a.row_stride + value * a.col_stride;
  if (a.col_stride == 1) {
    for (int64_t r = 0; r < t.rows; ++r) {
      Form::copy_row(from + r * a.row_stride, count, to + r * kDepthStride);
    }
    return;
  }
  for (int64_t r = 0; r < t.rows; r += kRows) {
    const int64_t rows = std::min<int64_t>(kRows, t.rows - r);
    for (int64_t s = 0; s < steps; ++s) {
      Form::gather(from + r, a.col_stride, count, s, rows, to + r * kDepth + s * kRows);
    }
  }
}

/// Steps [steps][panel] of `depth` rows of B from `from` on, for `count` columns of a panel.
template <class Form, class T>
void pack_panel(const MatrixView<T>& b, const T* from, int64_t depth, int64_t count,
                typename Form::Step* to) {
  using Step = typename Form::Step;
  const int64_t width = panel_columns<Acc<T>>(), steps = steps_of(depth, Form::kPerStep);
  if (b.col_stride == 1) {
    for (int64_t s = 0; s < steps; ++s) {
      Form::gather(from, b.row_stride, depth, s, count, to + s * width);
    }
  } else if constexpr (sizeof(Step) == 4 && sizeof(Step) == Form::kPerStep * sizeof(T)) {
    const int64_t whole = depth / Form::kPerStep;
    const auto row_bytes = b.col_stride * static_cast<int64_t>(sizeof(T));
    transpose_words(reinterpret_cast<const std::byte*>(from), row_bytes, count, whole, to, width);
    for (int64_t c = 0; c < count && whole < steps; ++c) {
      Form::copy_row(from + c * b.col_stride + depth - 1, 1, to + whole * width + c);
    }
  } else {
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t s = 0; s < steps; ++s) {
        Form::copy_row(from + c * b.col_stride + s, 1, to + s * width + c);
      }
    }
  }
}

/// Panels [steps][panel] of B's columns [col, col + cols), `steps` from step `at` on, zero-padded;
/// from a panel to the next: panel_step.
template <class Form, class T, class O>
void pack_b(const Gemm<T, O>& p, int64_t at, int64_t steps, int64_t col, int64_t cols,
            int64_t panel_step, typename Form::Step* to) {
  const int64_t width = panel_columns<Acc<T>>();
  const Depth<Form> depth(p);
  for (int64_t j = 0; j < cols; j += width, to += panel_step) {
    const int64_t count = std::min(width, cols - j);
    if (count < width) std::fill_n(to, steps * width, typename Form::Step{});
    const T* column = p.b.data + (col + j) * p.b.col_stride;
    depth.for_each_part(
        at, steps, [&](int64_t segment, int64_t value, int64_t values, int64_t where) HWY_ATTR {
          const int64_t distance = segment == 0 ? 0 : segment * p.segments->b_distance;
          pack_panel<Form>(p.b, column + distance + value * p.b.row_stride, values, count,
                           to + where * width);
        });
  }
}

/// Sums of a tile += packed A packed B, A in rows or in panels by depth; a panel of B is panel_step
/// after the one before.
template <Order kOrder, class A>
void multiply_tile(const Tile& t, int64_t depth, const A* a, const A* b, int64_t panel_step,
                   A* sums) {
  const int64_t width = panel_columns<A>();
  constexpr int64_t kRowStep = kOrder == Order::by_row ? kDepthStride : kDepth;
  for (int64_t j = 0; j < t.cols; j += width, b += panel_step) {
    for (int64_t r = 0; r < t.rows; r += kRows) {
      multiply_rows<kOrder>(std::min<int64_t>(kRows, t.rows - r),
                            Product<A>{.depth = depth,
                                       .a = a + r * kRowStep,
                                       .a_step = kOrder == Order::by_row ? kDepthStride : kRows,
                                       .b = b,
                                       .b_step = width,
                                       .c = sums + r * kTileCols + j,
                                       .c_step = kTileCols,
                                       .start = GemmStart::result});
    }
  }
}

template <Order kOrder>
void multiply_tile(const Tile& t, int64_t pairs, const Bf16Pair* a, const Bf16Pair* b,
                   int64_t panel_step, float* sums) {
  constexpr bool kByRow = kOrder == Order::by_row;
  for (int64_t j = 0; j < t.cols; j += kDotColumns, b += panel_step) {
    multiply_bf16({.rows = t.rows,
                   .panels = 1,
                   .pairs = pairs,
                   .a = a,
                   .tile_step = kDotRows * (kByRow ? kDepthStride : kDepth),
                   .row_step = kByRow ? kDepthStride : 1,
                   .pair_step = kByRow ? 1 : kDotRows,
                   .b = b,
                   .c = sums + j,
                   .c_step = kTileCols});
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

/// All of B's columns [col, col + cols), whole panels of them: each panel along the whole depth.
template <class Form, class T, class O>
void pack_columns_in(const Gemm<T, O>& p, int64_t col, int64_t cols, void* to) {
  const int64_t width = panel_columns<Acc<T>>(), total = Depth<Form>(p).total;
  auto* panel = static_cast<typename Form::Step*>(to) + col * total;
  pack_b<Form>(p, 0, total, col, cols, total * width, panel);
}

/// Whether the rows of each segment are worth picking out, so that zeros are not multiplied: else
/// segments are too short for register tiles of their own.
template <class Form, class T, class O>
bool picks_rows(const Gemm<T, O>& p) {
  constexpr int64_t kFewestSteps = 48;
  return p.segments != nullptr && Depth<Form>(p).steps >= kFewestSteps;
}

/// Rows of a tile that a segment has values for.
template <class T>
struct PickedRows {
  int64_t count = 0;
  const T* from[kTileRows];
  int64_t at[kTileRows];  ///< their places in the tile

  PickedRows(const Segments<T>& segments, int64_t segment, const Tile& t) {
    segments.rows(segment, t.row, t.rows, from);
    for (int64_t r = 0; r < t.rows; ++r) {
      from[count] = from[r];
      at[count] = r;
      count += from[r] != nullptr;
    }
  }
};

/// to[r, panel] = from[r, panel] for rows of a panel's columns.
template <class A>
HWY_INLINE void copy_panel_row(const A* from, A* to) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::LoadU(d, from + v * lanes), d, to + v * lanes);
}

/// Rows `at` of the sums += packed A packed B; row i of A belongs to row at[i].
template <class Step, class A>
void multiply_picked(const int64_t* at, int64_t rows, int64_t cols, int64_t steps, const Step* a,
                     const Step* b, int64_t panel_step, A* sums) {
  const int64_t width = panel_columns<A>();
  HWY_ALIGN A buffer[kRows * kTileCols];
  for (int64_t j = 0; j < cols; j += width, b += panel_step) {
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t count = std::min<int64_t>(kRows, rows - r);
      const Tile one{0, count, 0, width};
      const bool whole = count == kRows && at[r + kRows - 1] - at[r] == kRows - 1;
      A* c = whole ? sums + at[r] * kTileCols + j : buffer;
      for (int64_t i = 0; !whole && i < count; ++i) {
        copy_panel_row(sums + at[r + i] * kTileCols + j, buffer + i * kTileCols);
      }
      multiply_tile<Order::by_row>(one, steps, a + r * kDepthStride, b, 0, c);
      for (int64_t i = 0; !whole && i < count; ++i) {
        copy_panel_row(buffer + i * kTileCols, sums + at[r + i] * kTileCols + j);
      }
    }
  }
}

/// Sums of a tile += the segments' products, each for the rows that it has values for.
template <class Form, class T, class O, class Step, class A>
void add_segments(const Gemm<T, O>& p, const Tile& t, Step* a, Step* b, A* sums) {
  const auto* packed = static_cast<const Step*>(p.packed_b);
  const Depth<Form> depth(p);
  const int64_t width = panel_columns<A>();
  for (int64_t segment = 0; segment < p.segments->count; ++segment) {
    const PickedRows<T> rows(*p.segments, segment, t);
    for (int64_t first = 0; first < depth.steps; first += kDepth) {
      const int64_t steps = std::min(kDepth, depth.steps - first),
                    at = segment * depth.steps + first;
      const int64_t value = first * Form::kPerStep;
      const int64_t values = std::min(steps * Form::kPerStep, depth.values - value);
      for (int64_t r = 0; r < rows.count; ++r) {
        Form::copy_row(rows.from[r] + value, values, a + r * kDepthStride);
      }
      const Step* right = packed == nullptr ? b : packed + t.col * depth.total + at * width;
      const int64_t panel_step = (packed == nullptr ? steps : depth.total) * width;
      if (packed == nullptr) pack_b<Form>(p, at, steps, t.col, t.cols, panel_step, b);
      multiply_picked(rows.at, rows.count, t.cols, steps, a, right, panel_step, sums);
    }
  }
}

/// A tile of the product, with operands packed in the given form.
template <class Form, class T, class O, class A = Acc<T>>
void gemm_tile_in(const Gemm<T, O>& p, const Tile& t, A* workspace) {
  using Step = typename Form::Step;
  static_assert(sizeof(Step) <= sizeof(A));
  auto* a = reinterpret_cast<Step*>(workspace);
  auto* b = reinterpret_cast<Step*>(workspace + kTileRows * kDepthStride);
  const auto* packed = static_cast<const Step*>(p.packed_b);
  A* sums = workspace + kTileRows * kDepthStride + kDepth * kTileCols;
  for (int64_t r = 0; r < t.rows; ++r) {
    A* row = sums + r * kTileCols;
    std::fill_n(row, kTileCols, A(0));
    if constexpr (std::is_same_v<O, A>) {
      const O* c = p.c + (t.row + r) * p.c_stride + t.col;
      if (p.start == GemmStart::result) std::copy_n(c, t.cols, row);
    }
  }
  if (picks_rows<Form>(p)) {
    add_segments<Form>(p, t, a, b, sums);
    return write_tile(p, t, sums);
  }
  const int64_t total = Depth<Form>(p).total, width = panel_columns<A>();
  for (int64_t at = 0; at < total; at += kDepth) {
    const int64_t steps = std::min(kDepth, total - at);
    const Step* right = packed == nullptr ? b : packed + t.col * total + at * width;
    const int64_t panel_step = (packed == nullptr ? steps : total) * width;
    pack_a<Form>(p, t, at, steps, a);
    if (packed == nullptr) pack_b<Form>(p, at, steps, t.col, t.cols, panel_step, b);
    if (p.segments != nullptr || p.a.col_stride == 1) {
      multiply_tile<Order::by_row>(t, steps, a, right, panel_step, sums);
    } else {
      multiply_tile<Order::by_depth>(t, steps, a, right, panel_step, sums);
    }
  }
  write_tile(p, t, sums);
}

/// Calls work with the form that the operands of a product of T take on this processor.
template <class T, class Work>
void with_form(const Work& work) {
#if HWY_TARGET <= HWY_AVX3
  if constexpr (std::is_same_v<T, BFloat16>) {
    static_assert(kRows == kDotRows);
    if (has_bf16_dot()) return work(Pairs());
  }
#endif
  work(Values<T>());
}

template <class T, class O>
void gemm_tile(const Gemm<T, O>& p, const Tile& t, Acc<T>* workspace) {
  with_form<T>([&]<class Form>(Form) { gemm_tile_in<Form>(p, t, workspace); });
}

template <class T>
void pack_columns(const Gemm<T>& p, int64_t col, int64_t cols, void* to) {
  with_form<T>([&]<class Form>(Form) { pack_columns_in<Form>(p, col, cols, to); });
}

/// Bytes of B of n columns, packed.
template <class T>
int64_t packed_bytes(int64_t k, int64_t segments, int64_t n) {
  const int64_t width = panel_columns<Acc<T>>(), columns = steps_of(n, width) * width;
  int64_t steps = 0;
  with_form<T>([&]<class Form>(Form) { steps = Depth<Form>(k, segments).total; });
  return columns * steps * static_cast<int64_t>(sizeof(Acc<T>));
}

/// Columns of a panel of floats times the values in a step: what the order of packed B depends on.
int64_t bf16_form() {
  int64_t form = 0;
  with_form<BFloat16>([&]<class Form>(Form) { form = panel_columns<float>() * Form::kPerStep; });
  return form;
}

void gemm_tile_f32(const Gemm<float, float>& p, const Tile& t, float* w) { gemm_tile(p, t, w); }
void gemm_tile_f64(const Gemm<double, double>& p, const Tile& t, double* w) { gemm_tile(p, t, w); }
void gemm_tile_bf16(const Gemm<BFloat16, BFloat16>& p, const Tile& t, float* w) {
  gemm_tile(p, t, w);
}
void gemm_tile_bf16_f32(const Gemm<BFloat16, float>& p, const Tile& t, float* w) {
  gemm_tile(p, t, w);
}
void pack_columns_f32(const Gemm<float>& p, int64_t col, int64_t cols, void* to) {
  pack_columns(p, col, cols, to);
}
void pack_columns_f64(const Gemm<double>& p, int64_t col, int64_t cols, void* to) {
  pack_columns(p, col, cols, to);
}
void pack_columns_bf16(const Gemm<BFloat16>& p, int64_t col, int64_t cols, void* to) {
  pack_columns(p, col, cols, to);
}
int64_t packed_bytes_f32(int64_t k, int64_t segments, int64_t n) {
  return packed_bytes<float>(k, segments, n);
}
int64_t packed_bytes_f64(int64_t k, int64_t segments, int64_t n) {
  return packed_bytes<double>(k, segments, n);
}
int64_t packed_bytes_bf16(int64_t k, int64_t segments, int64_t n) {
  return packed_bytes<BFloat16>(k, segments, n);
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
HWY_EXPORT(pack_columns_f32);
HWY_EXPORT(pack_columns_f64);
HWY_EXPORT(pack_columns_bf16);
HWY_EXPORT(packed_bytes_f32);
HWY_EXPORT(packed_bytes_f64);
HWY_EXPORT(packed_bytes_bf16);
HWY_EXPORT(bf16_form);

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

auto pack_columns_of(float) { return HWY_DYNAMIC_DISPATCH(pack_columns_f32); }
auto pack_columns_of(double) { return HWY_DYNAMIC_DISPATCH(pack_columns_f64); }
auto pack_columns_of(BFloat16) { return HWY_DYNAMIC_DISPATCH(pack_columns_bf16); }

auto packed_bytes_of(float) { return HWY_DYNAMIC_DISPATCH(packed_bytes_f32); }
auto packed_bytes_of(double) { return HWY_DYNAMIC_DISPATCH(packed_bytes_f64); }
auto packed_bytes_of(BFloat16) { return HWY_DYNAMIC_DISPATCH(packed_bytes_bf16); }

int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
template <class T, class O>
Grid grid_for(const Gemm<T, O>& p, int64_t batch, int64_t threads) {
  constexpr int64_t kFewestRows = 72, kFewestCols = 64, kWorthATask = 1 << 18;  // multiplications
  Grid g{kTileRows, kTileCols, up(p.m, kTileRows), up(p.n, kTileCols)};
  const auto tasks = [&] { return g.down * g.across * batch; };
  while (g.rows > kFewestRows && tasks() < 4 * threads && p.m > g.rows / 2) {
    g.rows /= 2;
    g.down = up(p.m, g.rows);
  }
  while (g.cols > kFewestCols && tasks() < 2 * threads && p.n > g.cols / 2 &&
         std::min(g.rows, p.m) * g.cols * p.k > 2 * kWorthATask) {
    g.cols /= 2;
    g.across = up(p.n, g.cols);
  }
  return g;
}

/// All of the B of p, on all threads.
template <class T, class O>
void pack_all(const Gemm<T, O>& p, void* to) {
  const Gemm<T> whole{.n = p.n, .k = p.k, .b = p.b, .segments = p.segments};
  constexpr int64_t kColsPerTask = 32;
  const auto pack = pack_columns_of(T());
  parallel_ranges(p.n, kColsPerTask,
                  [&](int64_t begin, int64_t end) { pack(whole, begin, end - begin, to); });
}

template <class T, class O>
int64_t segments_of(const Gemm<T, O>& p) {
  return p.segments == nullptr ? 1 : p.segments->count;
}

}  // namespace

int64_t gemm_workspace_size() {
  return kTileRows * kDepthStride + kDepth * kTileCols + kTileRows * kTileCols;
}

template <class T, class O>
std::shared_ptr<const void> packed_b(Storage& owner, const Gemm<T, O>& p) {
  constexpr int64_t kKind = -2;  // no key of a convolution begins with it
  const auto offset =
      reinterpret_cast<const std::byte*>(p.b.data) - static_cast<const std::byte*>(owner.data());
  const int64_t form = HWY_DYNAMIC_DISPATCH(bf16_form)(), segments = segments_of(p);
  const int64_t distance = segments == 1 ? 0 : p.segments->b_distance;
  return owner.derived(
      {kKind, form, offset, p.b.row_stride, p.b.col_stride, p.k, p.n, segments, distance},
      [&]() -> Storage::Derived {
        const int64_t bytes = packed_bytes_of(T())(p.k, segments, p.n);
        const auto kept = Storage::allocate(static_cast<size_t>(bytes), kCpu);
        pack_all(p, kept->data());
        return {kept, kept->data()};
      });
}

template <class T, class O>
void gemm_serial(const Gemm<T, O>& p, Acc<T>* workspace) {
  const Grid g = grid_for(p, 1, 1);
  for (int64_t i = 0; i < g.down * g.across; ++i) run_tile(p, g.tile(i, p.m, p.n), workspace);
}

template <class T, class O>
void gemm(Launch& launch, const Gemm<T, O>& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  const Grid g = grid_for(p, p.batch, num_threads());
  const int64_t tiles = g.down * g.across;
  constexpr int64_t kManyRows = 3 * kTileRows;  // or every tile of rows packs B again
  Gemm<T, O> product = p;
  if (p.packed_b == nullptr && p.batch == 1 && p.m >= kManyRows) {
    void* packed = launch.scratch<std::byte>(packed_bytes_of(T())(p.k, segments_of(p), p.n));
    pack_all(p, packed);
    product.packed_b = packed;
  }
  ScratchSlots<Acc<T>> slots(launch, tiles * p.batch, gemm_workspace_size());
  parallel_for(tiles * p.batch, [&](int64_t task) {
    Gemm<T, O> one = product;
    one.a.data += task / tiles * p.a_batch;
    one.b.data += task / tiles * p.b_batch;
    one.c += task / tiles * p.c_batch;
    slots.with([&](Acc<T>* w) { run_tile(one, g.tile(task % tiles, p.m, p.n), w); });
  });
}

#define ITO_GEMM(T, O)                                   \
  template void gemm(Launch& launch, const Gemm<T, O>&); \
  template void gemm_serial(const Gemm<T, O>&, Acc<T>*); \
  template std::shared_ptr<const void> packed_b(Storage&, const Gemm<T, O>&);
ITO_GEMM(float, float)
ITO_GEMM(double, double)
ITO_GEMM(BFloat16, BFloat16)
ITO_GEMM(BFloat16, float)
#undef ITO_GEMM

}  // namespace ito
#endif
