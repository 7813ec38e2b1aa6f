// GPU kernel of squared_distances: a block of 256 threads makes 64 x 64 elements of y, each thread
// 4 x 4 of them, 16 rows and columns apart. It walks the depth in steps of 32, for which both sides
// lie in shared memory as floats: reads per step 2 x 64 x 32 values, 16 bytes at a time where rows
// allow, for 64 x 64 x 32 differences. Rows in shared memory are 36 floats long, so that 8
// neighbouring threads read 16 bytes each of different banks. Missing rows and depths are zeros: a
// difference of 0 adds nothing. One chain of multiply-adds per element, in ascending depth, as on
// the CPU.
#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kTile = 64, kSide = 16, kOwn = kTile / kSide, kThreads = kSide * kSide;
constexpr int kDepth = 32, kStride = kDepth + 4;

/// Rows of one side: x [rows, depth].
template <class T>
struct Side {
  const T* x;
  int64_t rows, depth;
};

/// Rows [first, first + 64) and depths [from, from + 32) of a side, V values per access.
template <class T, int V>
DEV void stage(const Side<T>& side, int64_t first, int64_t from, float* tile) {
  constexpr int kPieces = kDepth / V;  // of a row
#pragma unroll
  for (int turn = 0; turn < kTile * kPieces / kThreads; ++turn) {
    const int piece = turn * kThreads + static_cast<int>(threadIdx.x);
    const int row = piece / kPieces, d = piece % kPieces * V;
    float values[V] = {};
    if (first + row < side.rows && from + d < side.depth) {
      gpu::load_floats<V>(side.x + (first + row) * side.depth + from + d, values);
    }
    float* to = tile + row * kStride + d;
    if constexpr (V == 1) {
      *to = values[0];
    } else {
#pragma unroll
      for (int i = 0; i < V; i += 4) {
        gpu::store16(to + i, {values[i], values[i + 1], values[i + 2], values[i + 3]});
      }
    }
  }
}

/// Adds the squares of one step to the thread's elements.
DEV void add_step(const float* a, const float* b, float (&sums)[kOwn][kOwn]) {
  const int column = static_cast<int>(threadIdx.x) % kSide;
  const int row = static_cast<int>(threadIdx.x) / kSide;
#pragma unroll 1  // more would halve the blocks that an SM holds
  for (int d = 0; d < kDepth; d += 4) {
    gpu::Pack<float> u[kOwn], v[kOwn];
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      u[i] = gpu::load16(a + (row + kSide * i) * kStride + d);
      v[i] = gpu::load16(b + (column + kSide * i) * kStride + d);
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
#pragma unroll
        for (int j = 0; j < kOwn; ++j) {
          const float difference = gpu::add_rn(u[i].v[k], -v[j].v[k]);
          sums[i][j] = gpu::fma_rn(difference, difference, sums[i][j]);
        }
      }
    }
  }
}

template <class T, int V>
KERNEL(kThreads)
distances_kernel(Side<T> a, Side<T> b, unsigned column_tiles, float* __restrict__ y) {
  __shared__ __align__(16) float a_tile[kTile * kStride];
  __shared__ __align__(16) float b_tile[kTile * kStride];
  const int64_t row = static_cast<int64_t>(blockIdx.x / column_tiles) * kTile;
  const int64_t column = static_cast<int64_t>(blockIdx.x % column_tiles) * kTile;
  float sums[kOwn][kOwn] = {};
  for (int64_t from = 0; from < a.depth; from += kDepth) {
    __syncthreads();  // the step before this one may still be read
    stage<T, V>(a, row, from, a_tile);
    stage<T, V>(b, column, from, b_tile);
    __syncthreads();
    add_step(a_tile, b_tile, sums);
  }
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const int64_t at_row = row + static_cast<int>(threadIdx.x) / kSide + kSide * i;
      const int64_t at_column = column + static_cast<int>(threadIdx.x) % kSide + kSide * j;
      if (at_row < a.rows && at_column < b.rows) y[at_row * b.rows + at_column] = sums[i][j];
    }
  }
}

template <class T, int V>
void run(Launch& launch, const Side<T>& a, const Side<T>& b, float* y) {
  const unsigned columns = gpu::blocks_for(b.rows, kTile);
  gpu::check(gpu::launch(distances_kernel<T, V>, gpu::blocks_for(a.rows, kTile) * columns, kThreads,
                         0, launch.stream(), a, b, columns, y));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (y[0].numel() == 0) return;
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    constexpr int kPack = gpu::Pack<T>::kSize;
    const int64_t depth = x[0].size(1);
    const Side<T> a{gpu::elements_of<T>(x[0]), x[0].size(0), depth};
    const Side<T> b{gpu::elements_of<T>(x[1]), x[1].size(0), depth};
    float* to = gpu::elements_of<float>(y[0]);
    if (depth % kPack == 0 && gpu::aligned16(a.x, b.x)) {
      run<T, kPack>(launch, a, b, to);
    } else {
      run<T, 1>(launch, a, b, to);
    }
  });
}

}  // namespace

GpuKernels squared_distances_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
