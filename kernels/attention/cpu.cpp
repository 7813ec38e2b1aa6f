// Tiles of at most 64 rows: the products of a tile are whole rows of scores, made by the
// single-threaded matrix product. Backward runs twice over the scores, once in tiles of queries for
// gq and once in tiles of keys for gk and gv, so that every row of a gradient is written by one
// task and nothing is summed between threads.
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
#include "kernels/common/simd-inl.h"
#include "kernels/common/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ito {
namespace HWY_NAMESPACE {

constexpr int64_t kTileRows = 64;

/// to[0, n) = x[0, n), widened.
template <class T, class A = Acc<T>>
void widen(const T* x, int64_t n, A* to) {
  const Tag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(load(d, x + i), d, to + i);
  for (; i < n; ++i) to[i] = static_cast<A>(x[i]);
}

/// to[c * rows + r] = x[r * cols + c], in squares that stay in the first-level cache.
template <class T, class A = Acc<T>>
void transpose(const T* x, int64_t rows, int64_t cols, A* to) {
  constexpr int64_t kSquare = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kSquare) {
    const int64_t r1 = std::min(rows, r0 + kSquare);
    for (int64_t c0 = 0; c0 < cols; c0 += kSquare) {
      const int64_t c1 = std::min(cols, c0 + kSquare);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) to[c * rows + r] = static_cast<A>(x[r * cols + c]);
      }
    }
  }
}

/// c[m, n] = a[m, k] b[k, n], all dense.
template <class A>
void product(int64_t m, int64_t n, int64_t k, const A* a, const A* b, A* c, A* workspace) {
  gemm_serial(
      Gemm<A>{.m = m, .n = n, .k = k, .a = {a, k, 1}, .b = {b, n, 1}, .c = c, .c_stride = n},
      workspace);
}

/// Softmax of scale * row in place; returns log sum exp(scale * row).
template <class A>
A softmax_row(A* row, int64_t count, A scale) {
  const hn::ScalableTag<A> d;
  const size_t n = static_cast<size_t>(count);
  A top = -std::numeric_limits<A>::infinity();
  for (size_t i = 0; i < n; ++i) top = std::max(top, row[i] * scale);
  const auto s = hn::Set(d, scale), highest = hn::Set(d, top);
  map(
      row, n, [&](auto dd, auto v) HWY_ATTR { return exp(dd, hn::Sub(hn::Mul(v, s), highest)); },
      row);
  auto sums = hn::Zero(d);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) sums = hn::Add(sums, hn::LoadU(d, row + i));
  A sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += row[i];
  const auto factor = hn::Set(d, 1 / sum);
  map(
      row, n, [&](auto, auto v) HWY_ATTR { return hn::Mul(v, factor); }, row);
  return top + std::log(sum);
}

/// Per element of a row of scores s and of gradients dp: s = p = exp(scale s - lse),
/// dp = scale p (dp - delta), with lse and delta along the row, or one of each for the whole row.
template <class A>
void weigh_row(A* s, A* dp, int64_t n, A scale, const A* lse, const A* delta, TileRows rows) {
  const hn::ScalableTag<A> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, scale);
  const auto one = [&](int64_t i, int64_t count) HWY_ATTR {
    const auto m = static_cast<size_t>(count);
    const auto read = [&](const A* p)
                          HWY_ATTR { return count == lanes ? hn::LoadU(d, p) : load_n(d, p, m); };
    const bool along = rows == TileRows::keys;
    const auto l = along ? read(lse + i) : hn::Set(d, *lse);
    const auto e = along ? read(delta + i) : hn::Set(d, *delta);
    const auto p = exp(d, hn::Sub(hn::Mul(factor, read(s + i)), l));
    const auto g = hn::Mul(hn::Mul(factor, p), hn::Sub(read(dp + i), e));
    if (count == lanes) {
      hn::StoreU(p, d, s + i);
      hn::StoreU(g, d, dp + i);
    } else {
      store_n(d, p, s + i, m);
      store_n(d, g, dp + i, m);
    }
  };
  for (int64_t i = 0; i < n; i += lanes) one(i, std::min(lanes, n - i));
}

/// to[i] = x[i], rounded to T.
template <class T, class A = Acc<T>>
void narrow(const A* x, int64_t n, T* to) {
  const Tag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(d, hn::LoadU(d, x + i), to + i);
  for (; i < n; ++i) to[i] = static_cast<T>(x[i]);
}

/// Calls body(batch entry, first row, rows, scratch) for all tiles of `rows` rows.
template <class A, class Body>
void for_tiles(Launch& launch, int64_t batch, int64_t rows, int64_t scratch, Body body) {
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  ScratchSlots<A> slots(launch, batch * tiles, scratch);
  parallel_for(batch * tiles, [&](int64_t task) {
    const int64_t first = task % tiles * kTileRows;
    slots.with(
        [&](A* piece) { body(task / tiles, first, std::min(kTileRows, rows - first), piece); });
  });
}

/// x [B, rows, D] in the accumulation type: itself, or a copy.
template <class T, class A = Acc<T>>
const A* in_rows(Launch& launch, const T* x, int64_t batch, int64_t rows, int64_t depth) {
  if constexpr (std::is_same_v<T, A>) {
    return x;
  } else {
    const int64_t size = rows * depth;
    A* wide = launch.scratch<A>(batch * size);
    parallel_for(batch, [&](int64_t b) { widen(x + b * size, size, wide + b * size); });
    return wide;
  }
}

/// The same as [B, D, rows].
template <class T, class A = Acc<T>>
const A* by_depth(Launch& launch, const T* x, int64_t batch, int64_t rows, int64_t depth) {
  const int64_t size = rows * depth;
  A* to = launch.scratch<A>(batch * size);
  parallel_for(batch, [&](int64_t b) { transpose(x + b * size, rows, depth, to + b * size); });
  return to;
}

template <class T>
void forward(Launch& launch, const AttentionParams& p, const AttentionForward<T>& t) {
  using A = Acc<T>;
  const int64_t d = p.depth, keys = p.keys, tile = kTileRows * keys;
  const A* q = in_rows(launch, t.q, p.batch, p.queries, d);
  const A* k = by_depth(launch, t.k, p.batch, keys, d);
  const A* v = in_rows(launch, t.v, p.batch, keys, d);
  for_tiles<A>(launch, p.batch, p.queries, tile + kTileRows * d + gemm_workspace_size(),
               [&](int64_t b, int64_t first, int64_t rows, A* scratch) {
                 A *scores = scratch, *sums = scores + tile, *workspace = sums + kTileRows * d;
                 const int64_t row = b * p.queries + first, at = b * keys * d;
                 product(rows, keys, d, q + row * d, k + at, scores, workspace);
                 for (int64_t r = 0; r < rows; ++r) {
                   t.lse[row + r] = softmax_row(scores + r * keys, keys, static_cast<A>(p.scale));
                 }
                 product(rows, d, keys, scores, v + at, sums, workspace);
                 narrow(sums, rows * d, t.y + row * d);
               });
}

/// One operand of the backward products: [B, rows, D] and [B, D, rows].
template <class A>
struct Operand {
  const A* rows;
  const A* by_depth;
};

/// What the tiles of the backward pass read, for the whole batch.
template <class A>
struct BackwardInputs {
  Operand<A> q, k, v, gy;
  const A* delta;  ///< [B, Tq]: sum over D of gy * y
};

template <class T, class A = Acc<T>>
const A* row_products(Launch& launch, const AttentionParams& p, const T* gy, const T* y) {
  A* delta = launch.scratch<A>(p.batch * p.queries);
  parallel_ranges(p.batch * p.queries, kTileRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      A sum = 0;
      for (int64_t i = r * p.depth; i < (r + 1) * p.depth; ++i) {
        sum += static_cast<A>(gy[i]) * static_cast<A>(y[i]);
      }
      delta[r] = sum;
    }
  });
  return delta;
}

/// One tile of `rows` rows of x against all `n` rows of other: p = exp(scale x other^T - lse) and
/// g = scale p (seed other_seed^T - delta), where x and seed are q and gy against k and v, or the
/// other way round.
template <class A>
struct TilePass {
  TileRows rows;
  int64_t n, depth;
  A scale;
  const A *lse, *delta;

  void run(int64_t count, const A* x, const A* other_by_depth, const A* seed,
           const A* other_seed_by_depth, A* p, A* g, A* workspace) const {
    product(count, n, depth, x, other_by_depth, p, workspace);
    product(count, n, depth, seed, other_seed_by_depth, g, workspace);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t own = rows == TileRows::queries ? r : 0;
      weigh_row(p + r * n, g + r * n, n, scale, lse + own, delta + own, rows);
    }
  }
};

/// gq = g k, in tiles of queries.
template <class T, class A = Acc<T>>
void query_gradient(Launch& launch, const AttentionParams& p, const AttentionBackward<T>& t,
                    const BackwardInputs<A>& in) {
  const int64_t d = p.depth, keys = p.keys, tile = kTileRows * keys;
  for_tiles<A>(launch, p.batch, p.queries, 2 * tile + kTileRows * d + gemm_workspace_size(),
               [&](int64_t b, int64_t first, int64_t rows, A* scratch) {
                 A *weights = scratch, *g = weights + tile, *sums = g + tile;
                 A* workspace = sums + kTileRows * d;
                 const int64_t row = b * p.queries + first, at = b * keys * d;
                 const TilePass<A> pass{TileRows::queries,       keys,        d,
                                        static_cast<A>(p.scale), t.lse + row, in.delta + row};
                 pass.run(rows, in.q.rows + row * d, in.k.by_depth + at, in.gy.rows + row * d,
                          in.v.by_depth + at, weights, g, workspace);
                 product(rows, d, keys, g, in.k.rows + at, sums, workspace);
                 narrow(sums, rows * d, t.gq + row * d);
               });
}

/// gk = g q and gv = p gy, in tiles of keys.
template <class T, class A = Acc<T>>
void key_gradients(Launch& launch, const AttentionParams& p, const AttentionBackward<T>& t,
                   const BackwardInputs<A>& in) {
  const int64_t d = p.depth, queries = p.queries, tile = kTileRows * queries;
  for_tiles<A>(launch, p.batch, p.keys, 2 * tile + kTileRows * d + gemm_workspace_size(),
               [&](int64_t b, int64_t first, int64_t rows, A* scratch) {
                 A *weights = scratch, *g = weights + tile, *sums = g + tile;
                 A* workspace = sums + kTileRows * d;
                 const int64_t row = b * p.keys + first, own = b * queries, at = own * d;
                 const TilePass<A> pass{TileRows::keys,          queries,     d,
                                        static_cast<A>(p.scale), t.lse + own, in.delta + own};
                 pass.run(rows, in.k.rows + row * d, in.q.by_depth + at, in.v.rows + row * d,
                          in.gy.by_depth + at, weights, g, workspace);
                 if (t.gk != nullptr) {
                   product(rows, d, queries, g, in.q.rows + at, sums, workspace);
                   narrow(sums, rows * d, t.gk + row * d);
                 }
                 if (t.gv != nullptr) {
                   product(rows, d, queries, weights, in.gy.rows + at, sums, workspace);
                   narrow(sums, rows * d, t.gv + row * d);
                 }
               });
}

template <class T>
void backward(Launch& launch, const AttentionParams& p, const AttentionBackward<T>& t) {
  using A = Acc<T>;
  const auto operand = [&](const T* x, int64_t rows) {
    return Operand<A>{in_rows(launch, x, p.batch, rows, p.depth),
                      by_depth(launch, x, p.batch, rows, p.depth)};
  };
  const BackwardInputs<A> in{operand(t.q, p.queries), operand(t.k, p.keys), operand(t.v, p.keys),
                             operand(t.gy, p.queries), row_products(launch, p, t.gy, t.y)};
  if (t.gq != nullptr) query_gradient(launch, p, t, in);
  if (t.gk != nullptr || t.gv != nullptr) key_gradients(launch, p, t, in);
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
