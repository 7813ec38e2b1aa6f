// GPU kernels of reduce, x [outer, count, inner] to y [outer, inner], in one or two passes. Long
// extents are cut into slabs, whose results (float) a second pass reduces; the cut depends on count
// and inner alone, so the bits of a sample do not depend on its batch.
//  - inner = 1: a group of threads per row (row_groups.cuh).
//  - else: threads stand in columns (V neighbours of inner each) and rows; a thread walks down its
//    column, then the rows of the block are joined in shared memory.
// Chains of additions are short: at most count / 512 terms per row of threads, then trees.
#include "kernels/common/index_space.cuh"
#include "kernels/common/row_groups.cuh"
#include "kernels/reduce/params.h"

namespace ito::ITO_GPU_NS {
namespace {

using ops::ReduceKind;

constexpr unsigned kMinusInfinityBits = 0xFF800000u;

/// NaN wins in a maximum.
template <ReduceKind kKind>
struct Join {
  DEV static float neutral() {
    return kKind == ReduceKind::maximum ? gpu::bits_to_float(kMinusInfinityBits) : 0.0f;
  }
  DEV float operator()(float a, float b) const {
    if constexpr (kKind == ReduceKind::maximum) return b > a || b != b ? b : a;
    return a + b;
  }
};

/// x [outer, count, inner]; slab: rows of x that one block reduces.
struct Extent {
  int64_t outer, count, inner, slab;
  float factor;  ///< of the result

  int64_t slabs() const { return count > slab ? (count + slab - 1) / slab : 1; }
};

template <ReduceKind kKind, int V, class In, class Out>
KERNEL(gpu::kRowThreads)
rows_kernel(Extent e, int threads, const In* __restrict__ x, Out* __restrict__ y) {
  __shared__ float scratch[gpu::kRowWarps];
  constexpr Join<kKind> join{};
  const gpu::RowPlace p(threads);
  const int64_t first = blockIdx.y * e.slab, last = first + e.slab;
  const int64_t end = p.row < e.outer ? (last < e.count ? last : e.count) : 0;
  const In* from = x + p.row * e.count;
  float total[V];
#pragma unroll
  for (int v = 0; v < V; ++v) total[v] = join.neutral();
#pragma unroll 4
  for (int64_t i = first + static_cast<int64_t>(p.place) * V; i < end; i += threads * V) {
    float value[V];
    gpu::load_floats<V>(from + i, value);
#pragma unroll
    for (int v = 0; v < V; ++v) total[v] = join(total[v], value[v]);
  }
#pragma unroll
  for (int width = V / 2; width > 0; width /= 2) {
#pragma unroll
    for (int v = 0; v < width; ++v) total[v] = join(total[v], total[v + width]);
  }
  const float result = gpu::join_group(total[0], threads, scratch, join);
  if (p.place == 0 && p.row < e.outer) {
    y[p.row * gridDim.y + blockIdx.y] = gpu::narrow<Out>(result * e.factor);
  }
}

/// A block per slab, outer index and strip of `columns` threads side by side (a power of two).
template <ReduceKind kKind, int V, class In, class Out>
KERNEL(gpu::kRowThreads)
columns_kernel(Extent e, int columns, gpu::Divider strips, const In* __restrict__ x,
               Out* __restrict__ y) {
  __shared__ float shared[V][gpu::kRowThreads];
  constexpr Join<kKind> join{};
  const int rank = gpu::thread_rank(), row = rank / columns, rows = gpu::kRowThreads / columns;
  const int64_t outer = strips.quotient(blockIdx.x);
  const int64_t strip = blockIdx.x - outer * strips.divisor;
  const int64_t column = (strip * columns + rank % columns) * V;
  const bool inside = column < e.inner;
  const int64_t first = blockIdx.y * e.slab, last = first + e.slab;
  const int64_t end = inside ? (last < e.count ? last : e.count) : 0;
  const In* from = x + outer * e.count * e.inner + column;
  float total[V];
#pragma unroll
  for (int v = 0; v < V; ++v) total[v] = join.neutral();
#pragma unroll 4
  for (int64_t r = first + row; r < end; r += rows) {
    float value[V];
    gpu::load_floats<V>(from + r * e.inner, value);
#pragma unroll
    for (int v = 0; v < V; ++v) total[v] = join(total[v], value[v]);
  }
#pragma unroll
  for (int v = 0; v < V; ++v) shared[v][rank] = total[v];
  for (int step = rows / 2; step > 0; step /= 2) {
    __syncthreads();
    if (row >= step) continue;
#pragma unroll
    for (int v = 0; v < V; ++v) {
      shared[v][rank] = join(shared[v][rank], shared[v][rank + step * columns]);
    }
  }
  if (row != 0 || !inside) return;
#pragma unroll
  for (int v = 0; v < V; ++v) total[v] = shared[v][rank] * e.factor;
  Out* to = y + (outer * gridDim.y + blockIdx.y) * e.inner + column;
  if constexpr (V == 1 || sizeof(In) == sizeof(Out)) {
    gpu::store_floats<V>(to, total);
  } else {
#pragma unroll
    for (int v = 0; v < V; ++v) to[v] = gpu::narrow<Out>(total[v]);
  }
}

constexpr int64_t kMostSlabs = 512;  // enough blocks for the chip, and a short second pass

/// Rows of a slab: at least `least`, a multiple of `unit`.
int64_t slab_of(int64_t count, int64_t least, int64_t unit) {
  const int64_t slab = std::max((count + kMostSlabs - 1) / kMostSlabs, least);
  return (slab + unit - 1) / unit * unit;
}

/// V neighbours of x per thread where rows of n values allow it.
template <class In>
int vector_of(int64_t n, const void* x, const void* y = nullptr) {
  constexpr int kWide = gpu::Pack<In>::kSize;
  return n % kWide == 0 && gpu::aligned16(x, y) ? kWide : 1;
}

template <ReduceKind kKind, class In, class Out>
void reduce_rows(Launch& launch, const Extent& e, const In* x, Out* y) {
  constexpr int kWide = gpu::Pack<In>::kSize;
  const int vector = vector_of<In>(e.count, x);
  const int threads = gpu::threads_of_row(e.count, vector);
  gpu::check(
      gpu::launch(vector > 1 ? rows_kernel<kKind, kWide, In, Out> : rows_kernel<kKind, 1, In, Out>,
                  dim3(gpu::row_blocks(e.outer, threads), static_cast<unsigned>(e.slabs())),
                  gpu::kRowThreads, 0, launch.stream(), e, threads, x, y));
}

/// Threads side by side for rows of n values.
int columns_of(int64_t n, int vector, int most) {
  int columns = 1;
  while (columns < most && columns * vector < n) columns *= 2;
  return columns;
}

template <ReduceKind kKind, class In, class Out>
void reduce_columns(Launch& launch, const Extent& e, int most_columns, const In* x, Out* y) {
  constexpr int kWide = gpu::Pack<In>::kSize;
  const int vector = vector_of<In>(e.inner, x, y);
  const int columns = columns_of(e.inner, vector, most_columns);
  const int64_t strips = gpu::blocks_for(e.inner, columns * vector);
  ITO_CHECK(e.outer * strips <= gpu::kMaxItems, ShapeError, "too many rows for a kernel",
            kv("rows", e.outer));
  gpu::check(gpu::launch(
      vector > 1 ? columns_kernel<kKind, kWide, In, Out> : columns_kernel<kKind, 1, In, Out>,
      dim3(static_cast<unsigned>(e.outer * strips), static_cast<unsigned>(e.slabs())),
      gpu::kRowThreads, 0, launch.stream(), e, columns, gpu::Divider(strips), x, y));
}

constexpr int kMostColumns = gpu::kWarpSize;
constexpr int kColumnsOfPartials = 8;  // the second pass is small: more threads along its columns

template <ReduceKind kKind, class T>
void reduce(Launch& launch, Extent e, const T* x, T* y) {
  const bool rows = e.inner == 1;
  if (rows) {
    constexpr int64_t kLeast = 1 << 14, kUnit = gpu::kRowThreads * gpu::Pack<T>::kSize;
    e.slab = slab_of(e.count, kLeast, kUnit);
  } else {
    constexpr int64_t kRowsOfThread = 4;
    const int columns = columns_of(e.inner, vector_of<T>(e.inner, x, y), kMostColumns);
    const int64_t unit = gpu::kRowThreads / columns;
    e.slab = slab_of(e.count, kRowsOfThread * unit, unit);
  }
  if (e.slabs() == 1) {
    return rows ? reduce_rows<kKind>(launch, e, x, y)
                : reduce_columns<kKind>(launch, e, kMostColumns, x, y);
  }
  Extent second = e;
  second.count = second.slab = e.slabs();
  auto* partial = launch.scratch<float>(e.outer * second.count * e.inner);
  e.factor = 1;
  if (rows) {
    reduce_rows<kKind>(launch, e, x, partial);
    reduce_rows<kKind>(launch, second, static_cast<const float*>(partial), y);
  } else {
    reduce_columns<kKind>(launch, e, kMostColumns, x, partial);
    reduce_columns<kKind>(launch, second, kColumnsOfPartials, static_cast<const float*>(partial),
                          y);
  }
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ReduceAttrs*>(attrs);
  const Shape& s = x[0].shape();
  Extent e{.outer = s.numel_of(0, a.first),
           .count = s.numel_of(a.first, a.last + 1),
           .inner = s.numel_of(a.last + 1, s.rank()),
           .slab = 1,
           .factor = 1};
  if (a.kind == ReduceKind::mean) e.factor = static_cast<float>(1.0 / static_cast<double>(e.count));
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    const T* from = gpu::elements_of<T>(x[0]);
    T* to = gpu::elements_of<T>(y[0]);
    if (a.kind == ReduceKind::maximum) {
      reduce<ReduceKind::maximum>(launch, e, from, to);
    } else {
      reduce<ReduceKind::sum>(launch, e, from, to);
    }
  });
}

}  // namespace

GpuKernels reduce_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
