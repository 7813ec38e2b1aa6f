// GPU kernels of attention. bf16 runs on tensor cores (m16n8k16), f32 on fp32 multiply-adds.
//
// Forward: a block owns a tile of queries and walks over the keys with the running maximum and sum
// of Milakov & Gimelshein (2018), so that scores live in registers only.
//
// Backward: three passes of one kernel. Each owns a tile of rows, recomputes P = exp(scale S - lse)
// of the tile against all columns, and writes one gradient without any sum between blocks:
//  - gq: rows q (seed gy), columns k (seed v), result G k;
//  - gk: rows k (seed v), columns q (seed gy), result G^T q;
//  - gv: rows k, columns q, result P^T gy;
// with G = scale P (gy v^T - delta) and delta = the sum of gy y over D.
#include "kernels/attention/op.h"
#include "kernels/attention/tiles.cuh"
#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kForwardRows = kWarps * kRowsPerMma, kForwardColumns = 64;

template <int kDepth>
KERNEL(kThreads)
forward_bf16_kernel(Extent e, const Bf16Bits* __restrict__ q, const Bf16Bits* __restrict__ k,
                    const Bf16Bits* __restrict__ v, Bf16Bits* __restrict__ y,
                    float* __restrict__ lse) {
  Bf16Bits* queries = gpu::dyn_smem<Bf16Bits>();
  Bf16Bits* keys = queries + kForwardRows * kStride<kDepth>;
  Bf16Bits* values = keys + kForwardColumns * kStride<kDepth>;
  const std::size_t row_entry = entry_offset(e.rows, e.depth);
  const std::size_t column_entry = entry_offset(e.columns, e.depth);
  const int first = static_cast<int>(blockIdx.x) * kForwardRows;
  start_tile<kForwardRows, kDepth>(queries, q + row_entry, first, e.rows, e);
  start_tile<kForwardColumns, kDepth>(keys, k + column_entry, 0, e.columns, e);
  float sums[kDepth / 8][4] = {};
  RunningSoftmax softmax{{-INFINITY, -INFINITY}, {0, 0}};
  for (int column = 0; column < e.columns; column += kForwardColumns) {
    start_tile<kForwardColumns, kDepth>(values, v + column_entry, column, e.columns, e);
    gpu::cp_wait<1>();  // all but the values
    __syncthreads();
    float s[kForwardColumns / 8][4], shrink[2];
    multiply_rows<kForwardColumns, kDepth>(queries, keys, e.depth, s);
    __syncthreads();  // the next keys overwrite what this read
    if (column + kForwardColumns < e.columns) {
      start_tile<kForwardColumns, kDepth>(keys, k + column_entry, column + kForwardColumns,
                                          e.columns, e);
    } else {
      gpu::cp_commit();
    }
    softmax.update<kForwardColumns>(s, e.scale, e.columns - column, shrink);
#pragma unroll
    for (int n = 0; n < kDepth / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[n][i] *= shrink[i / 2];
    }
    gpu::cp_wait<1>();  // all but the next keys
    __syncthreads();
    accumulate<kForwardColumns, kDepth>(s, values, e.depth, sums);
    __syncthreads();  // the next values overwrite what this read
  }
  float factor[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float total = quad_sum(softmax.sum[half]);
    factor[half] = 1.0f / total;
    const int r = first + gpu::warp_id() * kRowsPerMma + gpu::lane_id() / 4 + half * 8;
    if (gpu::lane_id() % 4 == 0 && r < e.rows) {
      lse[static_cast<std::size_t>(blockIdx.y) * static_cast<std::size_t>(e.rows) +
          static_cast<std::size_t>(r)] = softmax.top[half] + logf(total);
    }
  }
  store_rows<kDepth>(y + row_entry, first, e, sums, factor);
}

// ---- backward --------------------------------------------------------------------------------

enum class Gradient { of_q, of_k, of_v };

template <Gradient kOf>
constexpr bool kRowsAreQueries = kOf == Gradient::of_q;

/// What one pass reads: x against `other`, and where gradients of scores are needed, `seed` against
/// `other_seed`; lse and delta [B, Tq].
template <class T>
struct PassInputs {
  const T *x, *other, *seed, *other_seed;
  const float *lse, *delta;
};

/// delta[row] = sum over D of gy y, one warp per row.
template <class T>
KERNEL(kThreads)
delta_kernel(int rows, int depth, const T* __restrict__ gy, const T* __restrict__ y,
             float* __restrict__ delta) {
  const int row = static_cast<int>(blockIdx.x) * kWarps + gpu::warp_id();
  const std::size_t at = static_cast<std::size_t>(row) * static_cast<std::size_t>(depth);
  float sum = 0;
  for (int i = gpu::lane_id(); row < rows && i < depth; i += kWarpSize) {
    sum = gpu::fma_rn(gpu::widen(gy[at + static_cast<std::size_t>(i)]),
                      gpu::widen(y[at + static_cast<std::size_t>(i)]), sum);
  }
  sum = gpu::warp_sum(sum);
  if (row < rows && gpu::lane_id() == 0) delta[row] = sum;
}

/// The factor of one score in a pass: P for gv, else G. 0 outside the matrix.
template <Gradient kOf>
DEV float weight_of(const Extent& e, int row, int column, float score, float seed_product,
                    const float* lse, const float* delta) {
  if (row >= e.rows || column >= e.columns) return 0;
  const int query = kRowsAreQueries<kOf> ? row : column;
  const float p = gpu::exp_approx(score * e.scale - lse[query]);
  return kOf == Gradient::of_v ? p : e.scale * p * (seed_product - delta[query]);
}

constexpr int kBackwardColumns = 32;

template <Gradient kOf, int kDepth>
KERNEL(kThreads)
backward_bf16_kernel(Extent e, PassInputs<Bf16Bits> in, Bf16Bits* __restrict__ gradient) {
  constexpr int kRows = kWarps * kRowsPerMma;
  Bf16Bits* x = gpu::dyn_smem<Bf16Bits>();
  Bf16Bits* other = x + kRows * kStride<kDepth>;
  Bf16Bits* other_seed = other + kBackwardColumns * kStride<kDepth>;
  Bf16Bits* seed = other_seed + kBackwardColumns * kStride<kDepth>;
  const std::size_t row_entry = entry_offset(e.rows, e.depth);
  const std::size_t column_entry = entry_offset(e.columns, e.depth);
  const std::size_t query_entry =
      static_cast<std::size_t>(blockIdx.y) *
      static_cast<std::size_t>(kRowsAreQueries<kOf> ? e.rows : e.columns);
  const int first = static_cast<int>(blockIdx.x) * kRows;
  start_tile<kRows, kDepth>(x, in.x + row_entry, first, e.rows, e);
  if (kOf != Gradient::of_v) {
    start_tile<kRows, kDepth>(seed, in.seed + row_entry, first, e.rows, e);
  }
  float sums[kDepth / 8][4] = {};
  for (int column = 0; column < e.columns; column += kBackwardColumns) {
    start_tile<kBackwardColumns, kDepth>(other, in.other + column_entry, column, e.columns, e);
    start_tile<kBackwardColumns, kDepth>(other_seed, in.other_seed + column_entry, column,
                                         e.columns, e);
    gpu::cp_wait<0>();
    __syncthreads();
    float w[kBackwardColumns / 8][4], products[kBackwardColumns / 8][4] = {};
    multiply_rows<kBackwardColumns, kDepth>(x, other, e.depth, w);
    if (kOf != Gradient::of_v) {
      multiply_rows<kBackwardColumns, kDepth>(seed, other_seed, e.depth, products);
    }
#pragma unroll
    for (int j = 0; j < kBackwardColumns / 8; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = first + gpu::warp_id() * kRowsPerMma + gpu::lane_id() / 4 + i / 2 * 8;
        const int c = column + j * 8 + gpu::lane_id() % 4 * 2 + i % 2;
        w[j][i] = weight_of<kOf>(e, r, c, w[j][i], products[j][i], in.lse + query_entry,
                                 in.delta + query_entry);
      }
    }
    accumulate<kBackwardColumns, kDepth>(w, kOf == Gradient::of_v ? other_seed : other, e.depth,
                                         sums);
    __syncthreads();  // the next tile overwrites what this one read
  }
  gpu::cp_wait<0>();  // without columns nobody waited yet
  store_rows<kDepth>(gradient + row_entry, first, e, sums, {1.0f, 1.0f});
}

// ---- f32: a warp owns kRowsPerWarp rows; its lanes are columns of the scores, then of D ---------

constexpr int kRowsPerWarp = 4;
constexpr int kPlainRows = kWarps * kRowsPerWarp;
constexpr int kPlainColumns = kWarpSize;
constexpr int kPlainSums = kLargestDepth / kWarpSize;  // sums of one lane for one row

/// Copies rows [first, first + kRows) of x [count, depth], zeros beyond; rows are depth + 1 apart,
/// so that 32 lanes reading one column of D meet different banks.
template <int kRows>
DEV void copy_rows(float* tile, const float* x, int first, int count, int depth) {
  for (int i = gpu::thread_rank(); i < kRows * depth; i += kThreads) {
    const int r = first + i / depth, c = i % depth;
    tile[i / depth * (depth + 1) + c] =
        r < count ? x[static_cast<std::size_t>(r) * static_cast<std::size_t>(depth) +
                      static_cast<std::size_t>(c)]
                  : 0.0f;
  }
}

DEV float dot(const float* a, const float* b, int depth) {
  float sum = 0;
  for (int i = 0; i < depth; ++i) sum = gpu::fma_rn(a[i], b[i], sum);
  return sum;
}

/// sums += weights [kPlainColumns] times the rows of `tile`; lane l holds columns l, l + 32, ...
DEV void accumulate_row(const float* weights, const float* tile, int depth,
                        float (&sums)[kPlainSums]) {
  const int lane = gpu::lane_id();
  for (int j = 0; j < kPlainColumns; ++j) {
    const float w = weights[j];
#pragma unroll
    for (int i = 0; i < kPlainSums; ++i) {
      const int c = lane + i * kWarpSize;
      if (c < depth) sums[i] = gpu::fma_rn(w, tile[j * (depth + 1) + c], sums[i]);
    }
  }
}

DEV void store_row(float* to, int depth, const float (&sums)[kPlainSums], float factor) {
#pragma unroll
  for (int i = 0; i < kPlainSums; ++i) {
    const int c = gpu::lane_id() + i * kWarpSize;
    if (c < depth) to[c] = sums[i] * factor;
  }
}

KERNEL(kThreads)
forward_f32_kernel(Extent e, const float* __restrict__ q, const float* __restrict__ k,
                   const float* __restrict__ v, float* __restrict__ y, float* __restrict__ lse) {
  __shared__ float weights[kPlainRows][kPlainColumns];
  float* queries = gpu::dyn_smem<float>();
  float* keys = queries + kPlainRows * (e.depth + 1);
  float* values = keys + kPlainColumns * (e.depth + 1);
  const std::size_t row_entry = entry_offset(e.rows, e.depth);
  const std::size_t column_entry = entry_offset(e.columns, e.depth);
  const int first = static_cast<int>(blockIdx.x) * kPlainRows, lane = gpu::lane_id();
  const int own = gpu::warp_id() * kRowsPerWarp;
  copy_rows<kPlainRows>(queries, q + row_entry, first, e.rows, e.depth);
  float sums[kRowsPerWarp][kPlainSums] = {}, top[kRowsPerWarp], total[kRowsPerWarp] = {};
  for (float& t : top) t = -INFINITY;
  for (int column = 0; column < e.columns; column += kPlainColumns) {
    copy_rows<kPlainColumns>(keys, k + column_entry, column, e.columns, e.depth);
    copy_rows<kPlainColumns>(values, v + column_entry, column, e.columns, e.depth);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) {
      float s = dot(queries + (own + r) * (e.depth + 1), keys + lane * (e.depth + 1), e.depth);
      s = column + lane < e.columns ? s * e.scale : -INFINITY;
      const float highest = larger(gpu::warp_max(s), top[r]);
      const float shrink = expf(top[r] - highest), p = expf(s - highest);
      top[r] = highest;
      total[r] = total[r] * shrink + p;
      weights[own + r][lane] = p;
      __syncwarp();
#pragma unroll
      for (float& sum : sums[r]) sum *= shrink;
      accumulate_row(weights[own + r], values, e.depth, sums[r]);
    }
    __syncthreads();  // the next tile overwrites what this one read
  }
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const float sum = gpu::warp_sum(total[r]);
    const int row = first + own + r;
    if (row >= e.rows) continue;
    store_row(y + row_entry + static_cast<std::size_t>(row) * static_cast<std::size_t>(e.depth),
              e.depth, sums[r], 1.0f / sum);
    if (lane != 0) continue;
    lse[static_cast<std::size_t>(blockIdx.y) * static_cast<std::size_t>(e.rows) +
        static_cast<std::size_t>(row)] = top[r] + logf(sum);
  }
}

template <Gradient kOf>
KERNEL(kThreads)
backward_f32_kernel(Extent e, PassInputs<float> in, float* __restrict__ gradient) {
  __shared__ float weights[kPlainRows][kPlainColumns];
  float* x = gpu::dyn_smem<float>();
  float* other = x + kPlainRows * (e.depth + 1);
  float* other_seed = other + kPlainColumns * (e.depth + 1);
  float* seed = other_seed + kPlainColumns * (e.depth + 1);
  const std::size_t row_entry = entry_offset(e.rows, e.depth);
  const std::size_t column_entry = entry_offset(e.columns, e.depth);
  const std::size_t query_entry =
      static_cast<std::size_t>(blockIdx.y) *
      static_cast<std::size_t>(kRowsAreQueries<kOf> ? e.rows : e.columns);
  const int first = static_cast<int>(blockIdx.x) * kPlainRows, lane = gpu::lane_id();
  const int own = gpu::warp_id() * kRowsPerWarp;
  copy_rows<kPlainRows>(x, in.x + row_entry, first, e.rows, e.depth);
  if (kOf != Gradient::of_v) {
    copy_rows<kPlainRows>(seed, in.seed + row_entry, first, e.rows, e.depth);
  }
  float sums[kRowsPerWarp][kPlainSums] = {};
  for (int column = 0; column < e.columns; column += kPlainColumns) {
    copy_rows<kPlainColumns>(other, in.other + column_entry, column, e.columns, e.depth);
    copy_rows<kPlainColumns>(other_seed, in.other_seed + column_entry, column, e.columns, e.depth);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) {
      const int at = (own + r) * (e.depth + 1), other_at = lane * (e.depth + 1);
      const float s = dot(x + at, other + other_at, e.depth);
      const float product =
          kOf == Gradient::of_v ? 0.0f : dot(seed + at, other_seed + other_at, e.depth);
      weights[own + r][lane] = weight_of<kOf>(e, first + own + r, column + lane, s, product,
                                              in.lse + query_entry, in.delta + query_entry);
      __syncwarp();
      accumulate_row(weights[own + r], kOf == Gradient::of_v ? other_seed : other, e.depth,
                     sums[r]);
    }
    __syncthreads();  // the next tile overwrites what this one read
  }
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const int row = first + own + r;
    if (row >= e.rows) continue;
    store_row(
        gradient + row_entry + static_cast<std::size_t>(row) * static_cast<std::size_t>(e.depth),
        e.depth, sums[r], 1.0f);
  }
}

// ---- host ------------------------------------------------------------------------------------

/// Calls f.template operator()<kDepth>() with the smallest tile that holds `depth`.
template <class F>
void dispatch_depth(int depth, F&& f) {
  if (depth <= 64) return f.template operator()<64>();
  if (depth <= 128) return f.template operator()<128>();
  f.template operator()<kLargestDepth>();
}

/// Bytes of `rows` rows of a tile in shared memory.
template <class T>
std::size_t tile_bytes(int rows, int stride) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride) * sizeof(T);
}

dim3 tile_grid(const Extent& e, int rows, std::int64_t batch) {
  return dim3(gpu::blocks_for(e.rows, rows), static_cast<unsigned>(batch));
}

Extent extent_of(const Tensor& rows, const Tensor& columns, double scale) {
  return {.rows = static_cast<int>(rows.size(1)),
          .columns = static_cast<int>(columns.size(1)),
          .depth = static_cast<int>(rows.size(2)),
          .scale = static_cast<float>(scale),
          .aligned = rows.size(2) % gpu::Pack<Bf16Bits>::kSize == 0};
}

template <class T>
gpu::Status start_forward(gpu::Stream stream, const Extent& e, std::int64_t batch, const T* q,
                          const T* k, const T* v, T* y, float* lse) {
  gpu::Status status;
  if constexpr (std::is_same_v<T, float>) {
    status = gpu::launch(forward_f32_kernel, tile_grid(e, kPlainRows, batch), kThreads,
                         tile_bytes<T>(kPlainRows + 2 * kPlainColumns, e.depth + 1), stream, e, q,
                         k, v, y, lse);
  } else {
    dispatch_depth(e.depth, [&]<int kDepth>() {
      status = gpu::launch(forward_bf16_kernel<kDepth>, tile_grid(e, kForwardRows, batch), kThreads,
                           tile_bytes<T>(kForwardRows + 2 * kForwardColumns, kStride<kDepth>),
                           stream, e, q, k, v, y, lse);
    });
  }
  return status;
}

template <Gradient kOf, class T>
gpu::Status start_backward(gpu::Stream stream, const Extent& e, std::int64_t batch,
                           const PassInputs<T>& in, T* gradient) {
  gpu::Status status;
  if constexpr (std::is_same_v<T, float>) {
    status = gpu::launch(backward_f32_kernel<kOf>, tile_grid(e, kPlainRows, batch), kThreads,
                         tile_bytes<T>(2 * kPlainRows + 2 * kPlainColumns, e.depth + 1), stream, e,
                         in, gradient);
  } else {
    dispatch_depth(e.depth, [&]<int kDepth>() {
      constexpr int kRows = kWarps * kRowsPerMma;
      status = gpu::launch(backward_bf16_kernel<kOf, kDepth>, tile_grid(e, kRows, batch), kThreads,
                           tile_bytes<T>(2 * kRows + 2 * kBackwardColumns, kStride<kDepth>), stream,
                           e, in, gradient);
    });
  }
  return status;
}

bool all_aligned(const Tensors& list) {
  for (const Tensor& t : list) {
    if (t && !gpu::aligned16(t.raw())) return false;
  }
  return true;
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (x[0].numel() == 0) return;
  Extent e = extent_of(x[0], x[1], static_cast<const ops::AttentionAttrs*>(attrs)->scale);
  e.aligned = e.aligned && all_aligned(x);
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    gpu::check(start_forward<T>(launch.stream(), e, x[0].size(0), gpu::elements_of<T>(x[0]),
                                gpu::elements_of<T>(x[1]), gpu::elements_of<T>(x[2]),
                                gpu::elements_of<T>(y[0]), y[1].data<float>()));
  });
}

template <class T>
void backward_with(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
                   const Tensors& gx, double scale) {
  const T *q = gpu::elements_of<T>(x[0]), *k = gpu::elements_of<T>(x[1]);
  const T *v = gpu::elements_of<T>(x[2]), *seed = gpu::elements_of<T>(gy[0]);
  const float* lse = y[1].data<float>();
  const std::int64_t batch = x[0].size(0), rows = y[1].numel();
  Extent queries = extent_of(x[0], x[1], scale), keys = extent_of(x[1], x[0], scale);
  queries.aligned = keys.aligned = queries.aligned && all_aligned(x) && all_aligned(gy);
  float* delta = launch.scratch<float>(rows);
  if (rows > 0) {
    gpu::check(gpu::launch(delta_kernel<T>, gpu::blocks_for(rows, kWarps), kThreads, 0,
                           launch.stream(), static_cast<int>(rows), queries.depth, seed,
                           gpu::elements_of<T>(y[0]), delta));
  }
  if (gx[0] && gx[0].numel() > 0) {
    gpu::check(start_backward<Gradient::of_q, T>(
        launch.stream(), queries, batch, {q, k, seed, v, lse, delta}, gpu::elements_of<T>(gx[0])));
  }
  if (gx[1] && gx[1].numel() > 0) {
    gpu::check(start_backward<Gradient::of_k, T>(
        launch.stream(), keys, batch, {k, q, v, seed, lse, delta}, gpu::elements_of<T>(gx[1])));
  }
  if (gx[2] && gx[2].numel() > 0) {
    gpu::check(start_backward<Gradient::of_v, T>(launch.stream(), keys, batch,
                                                 {k, q, nullptr, seed, lse, delta},
                                                 gpu::elements_of<T>(gx[2])));
  }
}

void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
              const Tensors& gx, const void* attrs) {
  const double scale = static_cast<const ops::AttentionAttrs*>(attrs)->scale;
  gpu::dispatch_element(x[0].dtype(),
                        [&]<class T>() { backward_with<T>(launch, gy, x, y, gx, scale); });
}

/// A row of `depth` values must fit into the registers of a warp.
bool handles(const Specs& inputs, const void*) {
  return inputs[0].dtype != DType::f64 && inputs[0].shape[2] <= kLargestDepth;
}

}  // namespace

GpuKernels attention_kernels() {
  return {.forward = forward, .backward = backward, .handles = handles};
}

}  // namespace ito::ITO_GPU_NS
