#include "kernels/common/gpu.h"
#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

// Four warps make a 32x16 tile of c, 16x8 each; a and b come through two stages of cp.async.
constexpr int kRows = 32, kColumns = 16, kDepth = 16, kThreads = 128;
constexpr int kStride = 24;  // 48 bytes: rows stay 16-byte aligned and spread over the banks
constexpr int kStageSize = (kRows + kDepth) * kStride;

struct Problem {
  const std::uint16_t* a;
  const std::uint16_t* b;
  float* c;
  int m, n, k;
};

/// Starts the copy of rows x 16 values from `source` (row-major, `height` x `width`), at row,
/// column; what lies outside is filled with zeros. `width` is a multiple of 8.
DEV void start_tile(std::uint16_t* tile, const std::uint16_t* source, int rows, int row, int column,
                    int height, int width) {
  for (int i = gpu::thread_rank(); i < rows * 2; i += kThreads) {
    const int r = row + i / 2, c = column + i % 2 * 8;
    const bool inside = r < height && c < width;
    const std::size_t offset = inside
                                   ? static_cast<std::size_t>(r) * static_cast<std::size_t>(width) +
                                         static_cast<std::size_t>(c)
                                   : 0;
    gpu::cp_async16(tile + (i / 2) * kStride + i % 2 * 8, source + offset, inside ? 16 : 0);
  }
}

DEV void start_stage(std::uint16_t* smem, const Problem& p, int row, int column, int step) {
  std::uint16_t* stage = smem + step % 2 * kStageSize;
  start_tile(stage, p.a, kRows, row, step * kDepth, p.m, p.k);
  start_tile(stage + kRows * kStride, p.b, kDepth, step * kDepth, column, p.k, p.n);
}

KERNEL(kThreads) gemm_kernel(Problem p) {
  std::uint16_t* smem = gpu::dyn_smem<std::uint16_t>();
  const int row = static_cast<int>(blockIdx.y) * kRows;
  const int column = static_cast<int>(blockIdx.x) * kColumns;
  const int lane = gpu::lane_id();
  const int warp_row = gpu::warp_id() / 2 * 16, warp_column = gpu::warp_id() % 2 * 8;
  float d[4] = {};
  const int steps = (p.k + kDepth - 1) / kDepth;
  start_stage(smem, p, row, column, 0);
  gpu::cp_commit();
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) start_stage(smem, p, row, column, step + 1);
    gpu::cp_commit();
    gpu::cp_wait<1>();
    __syncthreads();
    const std::uint16_t* a = smem + step % 2 * kStageSize;
    const std::uint16_t* b = a + kRows * kStride;
    std::uint32_t fa[4], fb[4];
    gpu::ldmatrix_x4(fa, a + (warp_row + lane % 16) * kStride + lane / 16 * 8);
    gpu::ldmatrix_x4_trans(fb, b + (lane % 16) * kStride + warp_column);
    gpu::mma_bf16_16816(d, fa, {fb[0], fb[1]});
    __syncthreads();  // the next step overwrites what this one read
  }
  gpu::cp_wait<0>();
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = row + warp_row + lane / 4 + i / 2 * 8;
    const int c = column + warp_column + lane % 4 * 2 + i % 2;
    if (r < p.m && c < p.n)
      p.c[static_cast<std::size_t>(r) * static_cast<std::size_t>(p.n) + c] = d[i];
  }
}

DEV std::uint32_t pair(const std::uint16_t* low, const std::uint16_t* high) {
  return *low | static_cast<std::uint32_t>(*high) << 16;
}

KERNEL(gpu::kWarpSize) gemm_fragments_kernel(Problem p) {
  const int g = gpu::lane_id() / 4, t = gpu::lane_id() % 4;
  const std::uint16_t* a = p.a + static_cast<int>(blockIdx.y) * 16 * p.k;
  const std::uint16_t* b = p.b + static_cast<int>(blockIdx.x) * 8 + g;
  float d[4] = {};
  for (int k = 0; k < p.k; k += 16) {
    std::uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; ++i) {
      const std::uint16_t* at = a + (g + i % 2 * 8) * p.k + k + 2 * t + i / 2 * 8;
      fa[i] = pair(at, at + 1);
    }
    for (int i = 0; i < 2; ++i) {
      const std::uint16_t* at = b + (k + 2 * t + i * 8) * p.n;
      fb[i] = pair(at, at + p.n);
    }
    gpu::mma_bf16_16816(d, fa, fb);
  }
  float* c = p.c + (static_cast<int>(blockIdx.y) * 16 + g) * p.n + static_cast<int>(blockIdx.x) * 8;
  for (int i = 0; i < 4; ++i) c[i / 2 * 8 * p.n + 2 * t + i % 2] = d[i];
}

KERNEL(gpu::kWarpSize) gemm_tf32_kernel(const float* a, const float* b, float* c, int n, int k) {
  const int g = gpu::lane_id() / 4, t = gpu::lane_id() % 4;
  const int row = static_cast<int>(blockIdx.y) * 16, column = static_cast<int>(blockIdx.x) * 8;
  float d[4] = {};
  for (int begin = 0; begin < k; begin += 8) {
    std::uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; ++i) {
      fa[i] = gpu::tf32_bits(a[(row + g + i % 2 * 8) * k + begin + t + i / 2 * 4]);
    }
    for (int i = 0; i < 2; ++i) fb[i] = gpu::tf32_bits(b[(begin + t + i * 4) * n + column + g]);
    gpu::mma_tf32_1688(d, fa, fb);
  }
  for (int i = 0; i < 4; ++i) c[(row + g + i / 2 * 8) * n + column + 2 * t + i % 2] = d[i];
}

KERNEL(gpu::kWarpSize)
ldmatrix_kernel(const std::uint16_t* tiles, std::uint32_t* plain, std::uint32_t* transposed) {
  __shared__ __align__(16) std::uint16_t smem[4 * 64];
  const int lane = gpu::lane_id();
  gpu::store16(smem + lane * 8, gpu::load16(tiles + lane * 8));
  __syncwarp();
  std::uint32_t r[4];
  gpu::ldmatrix_x4(r, smem + lane * 8);
  for (int m = 0; m < 4; ++m) plain[lane * 4 + m] = r[m];
  gpu::ldmatrix_x4_trans(r, smem + lane * 8);
  for (int m = 0; m < 4; ++m) transposed[lane * 4 + m] = r[m];
}

unsigned tiles(int n, int tile) { return static_cast<unsigned>((n + tile - 1) / tile); }

}  // namespace

gpu::Status gemm(const std::uint16_t* a, const std::uint16_t* b, float* c, int m, int n, int k) {
  return gpu::launch(gemm_kernel, dim3(tiles(n, kColumns), tiles(m, kRows)), kThreads,
                     2 * kStageSize * sizeof(std::uint16_t), nullptr, Problem{a, b, c, m, n, k});
}
gpu::Status gemm_fragments(const std::uint16_t* a, const std::uint16_t* b, float* c, int m, int n,
                           int k) {
  return gpu::launch(gemm_fragments_kernel, dim3(tiles(n, 8), tiles(m, 16)), gpu::kWarpSize, 0,
                     nullptr, Problem{a, b, c, m, n, k});
}
gpu::Status gemm_tf32(const float* a, const float* b, float* c, int m, int n, int k) {
  return gpu::launch(gemm_tf32_kernel, dim3(tiles(n, 8), tiles(m, 16)), gpu::kWarpSize, 0, nullptr,
                     a, b, c, n, k);
}
gpu::Status ldmatrix_tiles(const std::uint16_t* input, std::uint32_t* plain,
                           std::uint32_t* transposed) {
  return gpu::launch(ldmatrix_kernel, 1, gpu::kWarpSize, 0, nullptr, input, plain, transposed);
}

}  // namespace ito::ITO_GPU_NS
