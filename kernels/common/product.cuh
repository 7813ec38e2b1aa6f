// Matrix products of sources (product_staging.cuh): matmul, and convolutions as implicit products
// that gather their operand on the way to shared memory. A block owns one tile of D and walks over
// k with three tiles of each operand in shared memory: one being multiplied, two under way.
//
// Small results with a long k are cut into slices of k: fp32 partial sums go to scratch memory and
// a second kernel adds them in ascending order. The number of slices is the caller's function of
// the shape alone.
#pragma once

#include <algorithm>

#include "kernels/common/library.h"
#include "kernels/common/product_tiles.cuh"

namespace ito::ITO_GPU_NS {

/// Sizes of a product and how it is cut.
struct ProductSizes {
  int m, n, k, batch;
  int slice;  ///< values of k per slice
  unsigned tiles_m, tiles_n;
};

template <class Tile, class A, class B>
KERNEL(Tile::kThreads)
product_kernel(ProductSizes p, A a, B b, Output<typename A::Element> out) {
  using StagingA = Staging<A, Tile::kRows, Tile::kDepth, Tile::kThreads>;
  using StagingB = Staging<B, Tile::kColumns, Tile::kDepth, Tile::kThreads>;
  // Blocks that share rows of A, mostly the larger operand, run at the same time.
  const unsigned column_tile = blockIdx.x % p.tiles_n, others = blockIdx.x / p.tiles_n;
  const int row = static_cast<int>(others % p.tiles_m) * Tile::kRows;
  const int column = static_cast<int>(column_tile) * Tile::kColumns;
  const std::int64_t entry = others / p.tiles_m;
  a.base += entry * a.batch_stride;
  b.base += entry * b.batch_stride;
  const StagingA staging_a(a, row, p.m);
  const StagingB staging_b(b, column, p.n);
  const int k_first = static_cast<int>(blockIdx.y) * p.slice;
  const int k_end = k_first + p.slice < p.k ? k_first + p.slice : p.k;
  const int steps = (k_end - k_first + Tile::kDepth - 1) / Tile::kDepth;

  constexpr int kStages = 3, kStageSize = StagingA::kSize + StagingB::kSize;
  auto* tiles = gpu::dyn_smem<typename A::Element>();
  const auto start = [&](int step) {
    if (step < steps) {
      auto* tile = tiles + step % kStages * kStageSize;
      staging_a.start(tile, k_first + step * Tile::kDepth, k_end);
      staging_b.start(tile + StagingA::kSize, k_first + step * Tile::kDepth, k_end);
    }
    gpu::cp_commit();
  };
  for (int step = 0; step < kStages - 1; ++step) start(step);
  Tile tile;
  for (int step = 0; step < steps; ++step) {
    gpu::cp_wait<kStages - 2>();
    __syncthreads();  // the tiles of this step are there, and those of the last one are free
    start(step + kStages - 1);
    const auto* operands = tiles + step % kStages * kStageSize;
    tile.template multiply<StagingA, StagingB>(operands, operands + StagingA::kSize);
  }
  gpu::cp_wait<0>();

  const std::int64_t result = static_cast<std::int64_t>(p.m) * p.n;
  out.c += entry * result;
  if (out.partials != nullptr) {
    out.partials += (static_cast<std::int64_t>(blockIdx.y) * p.batch + entry) * result;
  }
  tile.template store<StagingA, StagingB>(out, row, column);
}

constexpr int kSumThreads = 256;

/// c = the sum of the slices, in ascending order, plus the bias.
template <class T>
KERNEL(kSumThreads)
sum_slices_kernel(std::int64_t count, int slices, Output<T> out) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  if (at >= count) return;
  float sum = out.partials[at];
  for (int slice = 1; slice < slices; ++slice) sum += out.partials[slice * count + at];
  out.c[at] = gpu::narrow<T>(out.finished(sum, static_cast<int>(at % out.n)));
}

// ---- host ------------------------------------------------------------------------------------

/// One product to be done: D [batch, m, n], cut into about `slices` slices of k.
template <class A, class B>
struct ProductCall {
  std::int64_t m, n, k, batch = 1;
  A a;
  B b;
  typename A::Element* c;
  const typename A::Element* bias = nullptr;
  std::int64_t slices = 1;
};

template <class Tile, class A, class B>
gpu::Status start_tiles(const ProductCall<A, B>& call, ProductSizes p,
                        const Output<typename A::Element>& out, gpu::Stream stream) {
  using StagingA = Staging<A, Tile::kRows, Tile::kDepth, Tile::kThreads>;
  using StagingB = Staging<B, Tile::kColumns, Tile::kDepth, Tile::kThreads>;
  p.tiles_m = gpu::blocks_for(p.m, Tile::kRows);
  p.tiles_n = gpu::blocks_for(p.n, Tile::kColumns);
  const unsigned slices = std::max(gpu::blocks_for(p.k, p.slice), 1u);
  const dim3 grid(p.tiles_m * p.tiles_n * static_cast<unsigned>(p.batch), slices);
  return gpu::launch(product_kernel<Tile, A, B>, grid, Tile::kThreads,
                     3 * (StagingA::kSize + StagingB::kSize) * sizeof(typename A::Element), stream,
                     p, call.a, call.b, out);
}

/// Does the product: with tiles of 128 x 128 where these keep all multiprocessors busy.
template <class A, class B>
void start_product(Launch& launch, const ProductCall<A, B>& call) {
  using T = typename A::Element;
  constexpr bool kTensorCores = std::is_same_v<T, Bf16Bits>;
  using Small = std::conditional_t<kTensorCores, TensorCoreTile<64>, PlainTile<64>>;
  using Large = std::conditional_t<kTensorCores, TensorCoreTile<128>, PlainTile<128>>;
  const std::int64_t count = call.batch * call.m * call.n;
  if (count == 0) return;
  const std::int64_t per_slice = (call.k + call.slices - 1) / call.slices;
  const std::int64_t slice = std::max<std::int64_t>((per_slice + 31) / 32, 1) * 32;
  const std::int64_t slices = std::max<std::int64_t>((call.k + slice - 1) / slice, 1);
  const ProductSizes sizes{.m = static_cast<int>(call.m),
                           .n = static_cast<int>(call.n),
                           .k = static_cast<int>(call.k),
                           .batch = static_cast<int>(call.batch),
                           .slice = static_cast<int>(slice)};
  const Output<T> out{
      .c = call.c,
      .bias = call.bias,
      .partials = slices > 1 ? launch.scratch<float>(slices * count) : nullptr,
      .m = sizes.m,
      .n = sizes.n,
      .pairs = call.n % 2 == 0 && reinterpret_cast<std::uintptr_t>(call.c) % 4 == 0};
  const std::int64_t large_tiles =
      (call.m + 127) / 128 * ((call.n + 127) / 128) * call.batch * slices;
  const bool large =
      call.m > 64 && call.n > 64 && large_tiles >= multiprocessors_of(launch.device());
  gpu::check(large ? start_tiles<Large>(call, sizes, out, launch.stream())
                   : start_tiles<Small>(call, sizes, out, launch.stream()));
  if (slices > 1) {
    gpu::check(gpu::launch(sum_slices_kernel<T>, gpu::blocks_for(count, kSumThreads), kSumThreads,
                           0, launch.stream(), count, static_cast<int>(slices), out));
  }
}

/// Whether the sizes of a product fit into the 32-bit indices of the kernels.
inline bool fits_product(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t batch) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 30;
  return m < kLimit && n < kLimit && k < kLimit &&
         ((m + 63) / 64) * ((n + 63) / 64) * std::max<std::int64_t>(batch, 1) < kLimit;
}

}  // namespace ito::ITO_GPU_NS
