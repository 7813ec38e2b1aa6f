// Softmax attention and its gradient, for each batch entry:
//
//   Y = P V        P_ij = exp(scale S_ij - lse_i)   S = Q K^T   lse_i = log sum_j exp(scale S_ij)
//   dV = P^T dY    dS_ij = P_ij (dP_ij - delta_i)   dP = dY V^T   delta_i = sum_d dY_id Y_id
//   dQ = scale dS K                                 dK = scale dS^T Q
//
// S, P, dP and dS exist in tiles of kTileRows queries, made by the single-threaded matrix product:
// S and dP from values as they are stored, so that bf16 has the processor's dot products of pairs,
// the others from P and dS in the accumulation type. Every element of a gradient is one chain of
// additions, over the keys or over the queries in order, however the work is divided; so the
// division may follow the batch and the threads.
#include "kernels/attention/cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/parallel.h"
#include "kernels/common/gemm.h"
#include "kernels/common/scratch_slots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/common/register_tile-inl.h"
#include "kernels/common/simd-inl.h"
#include "kernels/common/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kTileRows = 64;

/// Columns of a row of n that is padded to whole vectors.
template <class A>
int64_t padded(int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<A>()));
  return (n + lanes - 1) / lanes * lanes;
}

/// x[0, n) in the accumulation type: itself, or a copy in `to`.
template <class T, class A = Acc<T>>
const A* widened(const T* x, int64_t n, A* to) {
  if constexpr (std::is_same_v<T, A>) {
    return x;
  } else {
    widen(x, n, to);
    return to;
  }
}

/// to[i] = factor x[i], rounded to T.
template <class T, class A = Acc<T>>
void narrow(const A* x, int64_t n, A factor, T* to) {
  const Tag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto f = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(d, hn::Mul(f, hn::LoadU(d, x + i)), to + i);
  for (; i < n; ++i) to[i] = static_cast<T>(factor * x[i]);
}

/// sum_i x[i] y[i]
template <class T, class A = Acc<T>>
A dot(const T* x, const T* y, int64_t n) {
  const Tag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sums = hn::MulAdd(load(d, x + i), load(d, y + i), sums);
  const auto rest = static_cast<size_t>(n - i);
  if (rest > 0) sums = hn::MulAdd(load_n(d, x + i, rest), load_n(d, y + i, rest), sums);
  return hn::GetLane(hn::SumOfLanes(d, sums));
}

/// to[c * width + r] = x[r * cols + c]; zeros from column `rows` on. x holds values of T.
template <class T, class A = Acc<T>>
void transpose(const A* x, int64_t rows, int64_t cols, int64_t width, T* to) {
  const hn::ScalableTag<A> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto down =
      hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(cols)));
  int64_t r = 0;
  for (; r + lanes <= rows; r += lanes) {
    for (int64_t c = 0; c < cols; ++c) {
      store(d, hn::GatherIndex(d, x + r * cols + c, down), to + c * width + r);
    }
  }
  for (; r < width; ++r) {
    for (int64_t c = 0; c < cols; ++c)
      to[c * width + r] = static_cast<T>(r < rows ? x[r * cols + c] : A(0));
  }
}

template <class A>
void multiply_in_place(int64_t m, int64_t n, int64_t k, MatrixView<A> a, MatrixView<A> b, A* c,
                       GemmStart start) {
  const bool by_row = a.col_stride == 1;
  for (int64_t j = 0; j < n; j += panel_columns<A>()) {
    const Product<A> p{.depth = k,
                       .a = a.data,
                       .a_step = by_row ? a.row_stride : a.col_stride,
                       .b = b.data + j,
                       .b_step = b.row_stride,
                       .c = c + j,
                       .c_step = n,
                       .start = start,
                       .outer = {},
                       .inner = {}};
    const bool both = n - j >= panel_columns<A>();
    if (by_row) {
      both ? multiply_exact_rows<kVectors, Order::by_row>(m, p)
           : multiply_exact_rows<1, Order::by_row>(m, p);
    } else {
      both ? multiply_exact_rows<kVectors, Order::by_depth>(m, p)
           : multiply_exact_rows<1, Order::by_depth>(m, p);
    }
  }
}

/// c[m, n] = a[m, k] b[k, n], or added to c, which is dense. Operands in the accumulation type are
/// multiplied where they lie if the columns are whole vectors: they are small enough for the
/// caches, and each is used by few tiles.
template <class T, class A = Acc<T>>
void product(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, A* c, A* workspace,
             GemmStart start = GemmStart::zero) {
  if constexpr (std::is_same_v<T, A>) {
    if (n % padded<A>(1) == 0) return multiply_in_place(m, n, k, a, b, c, start);
  }
  gemm_serial(
      Gemm<T, A>{.m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .c_stride = n, .start = start},
      workspace);
}

/// Rows [first, first + count) of the queries or of the keys.
struct RowRange {
  int64_t first, count;
};

int64_t tiles_of(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }

RowRange tile_of(int64_t rows, int64_t index) {
  const int64_t first = index * kTileRows;
  return {first, std::min(kTileRows, rows - first)};
}

/// Sum of a row's exponentials, and the logarithm of what it would be without subtracting `top`.
template <class A>
struct RowSum {
  A sum, lse;
};

/// row[j] = exp(scale row[j] - top) for j < n, where top is the largest exponent of the row. The
/// padding of the row is overwritten. A NaN may be lost in top; the sum finds it again.
template <class A>
RowSum<A> exponentials(A* row, int64_t n, A scale) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  std::fill(row + n, row + padded<A>(n), row[0]);  // changes no maximum
  const auto s = hn::Set(d, scale);
  auto highest = hn::Set(d, -std::numeric_limits<A>::infinity());
  for (int64_t j = 0; j < n; j += lanes) {
    highest = hn::Max(hn::Mul(s, hn::LoadU(d, row + j)), highest);
  }
  const auto top = hn::MaxOfLanes(d, highest);
  auto sums = hn::Zero(d);
  for (int64_t j = 0; j < n; j += lanes) {
    const auto e = exp_of_negative(d, hn::NegMulAdd(s, hn::LoadU(d, row + j), top));
    hn::StoreU(e, d, row + j);
    const auto inside = hn::FirstN(d, static_cast<size_t>(n - j));
    sums = hn::Add(sums, hn::IfThenElseZero(inside, e));
  }
  const A sum = hn::GetLane(hn::SumOfLanes(d, sums));
  return {sum, hn::GetLane(top) + std::log(sum)};
}

template <class A>
int64_t forward_scratch(const AttentionParams& p) {
  return gemm_workspace_size() + (p.depth + kTileRows) * padded<A>(p.keys) +
         (kTileRows + p.keys) * p.depth;
}

/// y and lse of some queries of one batch entry.
template <class T, class A = Acc<T>>
void forward_block(const AttentionParams& p, const AttentionForward<T>& t, int64_t entry,
                   RowRange queries, A* scratch) {
  const int64_t d = p.depth, keys = p.keys, width = padded<A>(keys), own = entry * keys * d;
  A *workspace = scratch, *s = workspace + gemm_workspace_size(), *sums = s + kTileRows * width;
  A* wide = sums + kTileRows * d;
  auto* k_by_depth = reinterpret_cast<T*>(wide + keys * d);
  transpose(widened(t.k + own, keys * d, wide), keys, d, width, k_by_depth);
  const A* v = widened(t.v + own, keys * d, wide);
  for (int64_t i = 0; i < tiles_of(queries.count); ++i) {
    const RowRange tile = tile_of(queries.count, i);
    const int64_t rows = tile.count, row = entry * p.queries + queries.first + tile.first;
    product<T>(rows, width, d, {t.q + row * d, d}, {k_by_depth, width}, s, workspace);
    RowSum<A> total[kTileRows];
    for (int64_t r = 0; r < rows; ++r) {
      total[r] = exponentials(s + r * width, keys, static_cast<A>(p.scale));
      t.lse[row + r] = total[r].lse;
    }
    product<A>(rows, d, keys, {s, width}, {v, d}, sums, workspace);
    for (int64_t r = 0; r < rows; ++r) {
      narrow(sums + r * d, d, 1 / total[r].sum, t.y + (row + r) * d);
    }
  }
}

/// Calls body(task, scratch) for all tasks.
template <class A, class Body>
void for_tasks(Launch& launch, int64_t tasks, int64_t scratch_size, const Body& body) {
  ScratchSlots<A> slots(launch, tasks, scratch_size);
  parallel_for(tasks, [&](int64_t task) { slots.with([&](A* scratch) { body(task, scratch); }); });
}

/// A task for each batch entry transposes its keys once; tasks for tiles keep all threads busy.
template <class T>
void forward(Launch& launch, const AttentionParams& p, const AttentionForward<T>& t) {
  using A = Acc<T>;
  const int64_t tiles = p.batch >= 4 * num_threads() ? 1 : tiles_of(p.queries);
  for_tasks<A>(launch, p.batch * tiles, forward_scratch<A>(p), [&](int64_t task, A* scratch) {
    const RowRange queries = tiles == 1 ? RowRange{0, p.queries} : tile_of(p.queries, task % tiles);
    forward_block(p, t, task / tiles, queries, scratch);
  });
}

/// A row of S becomes one of P, and one of dP one of dS.
template <class A>
void weigh_row(A* s, A* dp, int64_t width, A scale, A lse, A delta) {
  const hn::ScalableTag<A> d;
  const auto factor = hn::Set(d, scale), l = hn::Set(d, lse), e = hn::Set(d, delta);
  for (int64_t j = 0; j < width; j += static_cast<int64_t>(hn::Lanes(d))) {
    const auto p = exp_of_negative(d, hn::NegMulAdd(factor, hn::LoadU(d, s + j), l));
    hn::StoreU(p, d, s + j);
    hn::StoreU(hn::Mul(p, hn::Sub(hn::LoadU(d, dp + j), e)), d, dp + j);
  }
}

/// Any may be null.
template <class T>
struct Gradients {
  T *gq, *gk, *gv;
};

template <class A>
int64_t backward_scratch(int64_t keys, int64_t depth) {
  return gemm_workspace_size() + 2 * (kTileRows + depth) * padded<A>(keys) +
         3 * (kTileRows + keys) * depth;
}

/// The share of some queries and keys of one batch entry in the gradients that are wanted. gq needs
/// all keys, gk and gv all queries.
template <class T, class A = Acc<T>>
void backward_block(const AttentionParams& p, const AttentionBackward<T>& t, int64_t entry,
                    RowRange queries, RowRange keys, const Gradients<T>& to, A* scratch) {
  const int64_t d = p.depth, n = keys.count, width = padded<A>(n);
  const int64_t own = (entry * p.keys + keys.first) * d;
  const auto scale = static_cast<A>(p.scale);
  A *workspace = scratch, *weights = workspace + gemm_workspace_size();
  A *ds = weights + kTileRows * width, *gq = ds + kTileRows * width;
  A *wide_q = gq + kTileRows * d, *wide_gy = wide_q + kTileRows * d;
  A *wide = wide_gy + kTileRows * d, *gk = wide + n * d, *gv = gk + n * d;
  T *k_by_depth = reinterpret_cast<T*>(gv + n * d), *v_by_depth = k_by_depth + d * width;
  transpose(widened(t.v + own, n * d, wide), n, d, width, v_by_depth);
  const A* k = widened(t.k + own, n * d, wide);
  transpose(k, n, d, width, k_by_depth);
  std::fill_n(gk, 2 * n * d, A(0));
  for (int64_t i = 0; i < tiles_of(queries.count); ++i) {
    const RowRange tile = tile_of(queries.count, i);
    const int64_t rows = tile.count, row = entry * p.queries + queries.first + tile.first;
    const A* q = widened(t.q + row * d, rows * d, wide_q);
    const A* gy = widened(t.gy + row * d, rows * d, wide_gy);
    product<T>(rows, width, d, {t.q + row * d, d}, {k_by_depth, width}, weights, workspace);
    product<T>(rows, width, d, {t.gy + row * d, d}, {v_by_depth, width}, ds, workspace);
    for (int64_t r = 0; r < rows; ++r) {
      const A delta = dot(t.gy + (row + r) * d, t.y + (row + r) * d, d);
      weigh_row(weights + r * width, ds + r * width, width, scale, t.lse[row + r], delta);
    }
    if (to.gq != nullptr) {
      product<A>(rows, d, n, {ds, width}, {k, d}, gq, workspace);
      narrow(gq, rows * d, scale, to.gq + row * d);
    }
    const auto add = [&](const A* weight, const A* x, A* sums) {
      product<A>(n, d, rows, {weight, 1, width}, {x, d}, sums, workspace, GemmStart::result);
    };
    if (to.gk != nullptr) add(ds, q, gk);
    if (to.gv != nullptr) add(weights, gy, gv);
  }
  if (to.gk != nullptr) narrow(gk, n * d, scale, to.gk + own);
  if (to.gv != nullptr) narrow(gv, n * d, A(1), to.gv + own);
}

/// A task for each batch entry needs five products; where that leaves threads without work, tasks
/// for tiles of queries and for tiles of keys, which make P and dP twice, need seven.
template <class T>
void backward(Launch& launch, const AttentionParams& p, const AttentionBackward<T>& t) {
  using A = Acc<T>;
  const RowRange queries{0, p.queries}, keys{0, p.keys};
  const auto size = [&](int64_t n) { return backward_scratch<A>(n, p.depth); };
  const int64_t threads = num_threads(), rounds = (p.batch + threads - 1) / threads;
  if (5 * rounds * threads <= 7 * p.batch) {
    for_tasks<A>(launch, p.batch, size(p.keys), [&](int64_t entry, A* scratch) {
      backward_block(p, t, entry, queries, keys, {t.gq, t.gk, t.gv}, scratch);
    });
    return;
  }
  if (t.gq != nullptr) {
    const int64_t tiles = tiles_of(p.queries);
    for_tasks<A>(launch, p.batch * tiles, size(p.keys), [&](int64_t task, A* scratch) {
      backward_block(p, t, task / tiles, tile_of(p.queries, task % tiles), keys,
                     {t.gq, nullptr, nullptr}, scratch);
    });
  }
  if (t.gk != nullptr || t.gv != nullptr) {
    const int64_t tiles = tiles_of(p.keys);
    for_tasks<A>(launch, p.batch * tiles, size(kTileRows), [&](int64_t task, A* scratch) {
      backward_block(p, t, task / tiles, queries, tile_of(p.keys, task % tiles),
                     {nullptr, t.gk, t.gv}, scratch);
    });
  }
}

void forward_f32(Launch& l, const AttentionParams& p, const AttentionForward<float>& t) {
  forward(l, p, t);
}
void forward_bf16(Launch& l, const AttentionParams& p, const AttentionForward<BFloat16>& t) {
  forward(l, p, t);
}
void forward_f64(Launch& l, const AttentionParams& p, const AttentionForward<double>& t) {
  forward(l, p, t);
}
void backward_f32(Launch& l, const AttentionParams& p, const AttentionBackward<float>& t) {
  backward(l, p, t);
}
void backward_bf16(Launch& l, const AttentionParams& p, const AttentionBackward<BFloat16>& t) {
  backward(l, p, t);
}
void backward_f64(Launch& l, const AttentionParams& p, const AttentionBackward<double>& t) {
  backward(l, p, t);
}

}  // namespace HWY_NAMESPACE
}  // namespace ito
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ito {

HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_bf16);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_bf16);
HWY_EXPORT(backward_f64);

void attention_cpu(Launch& l, const AttentionParams& p, const AttentionForward<float>& t) {
  HWY_DYNAMIC_DISPATCH(forward_f32)(l, p, t);
}
void attention_cpu(Launch& l, const AttentionParams& p, const AttentionForward<BFloat16>& t) {
  HWY_DYNAMIC_DISPATCH(forward_bf16)(l, p, t);
}
void attention_cpu(Launch& l, const AttentionParams& p, const AttentionForward<double>& t) {
  HWY_DYNAMIC_DISPATCH(forward_f64)(l, p, t);
}
void attention_backward_cpu(Launch& l, const AttentionParams& p,
                            const AttentionBackward<float>& t) {
  HWY_DYNAMIC_DISPATCH(backward_f32)(l, p, t);
}
void attention_backward_cpu(Launch& l, const AttentionParams& p,
                            const AttentionBackward<BFloat16>& t) {
  HWY_DYNAMIC_DISPATCH(backward_bf16)(l, p, t);
}
void attention_backward_cpu(Launch& l, const AttentionParams& p,
                            const AttentionBackward<double>& t) {
  HWY_DYNAMIC_DISPATCH(backward_f64)(l, p, t);
}

}  // namespace ito
#endif
