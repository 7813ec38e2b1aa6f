#include "kernels/common/gpu.h"
#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 128;

DEV int global_rank() { return static_cast<int>(blockIdx.x) * kThreads + gpu::thread_rank(); }

KERNEL(kThreads) axpy_kernel(float a, const float* x, float* y, int n) {
  const int i = global_rank();
  if (i < n) y[i] = gpu::fma_rn(a, x[i], y[i]);
}

KERNEL(kThreads) axpy_packed_kernel(float a, const float* x, float* y, int n) {
  constexpr int kSize = gpu::Pack<float>::kSize;
  const int begin = global_rank() * kSize;
  if (begin + kSize <= n) {
    const gpu::Pack<float> px = gpu::load16(x + begin);
    gpu::Pack<float> py = gpu::load16(y + begin);
#pragma unroll
    for (int j = 0; j < kSize; ++j) py.v[j] = gpu::fma_rn(a, px.v[j], py.v[j]);
    gpu::store16(y + begin, py);
  } else {
    for (int i = begin; i < n; ++i) y[i] = gpu::fma_rn(a, x[i], y[i]);
  }
}

KERNEL(kThreads) bf16_kernel(const float* x, std::uint16_t* bits, float* back, int n) {
  const int i = global_rank();
  if (i >= n) return;
  bits[i] = gpu::bf16_bits(x[i]);
  back[i] = gpu::bf16_value(bits[i]);
}

KERNEL(kThreads) arithmetic_kernel(const float* x, const float* y, float* out, int n) {
  const int i = global_rank();
  if (i >= n) return;
  out[i] = gpu::add_rn(gpu::mul_rn(x[i], y[i]), x[i]);
  out[n + i] = gpu::fma_rn(x[i], y[i], x[i]);
  out[2 * n + i] = gpu::div_rn(x[i], y[i]);
  out[3 * n + i] = gpu::sqrt_rn(y[i]);
  out[4 * n + i] =
      static_cast<float>(gpu::fma_rn(static_cast<double>(x[i]), static_cast<double>(y[i]), 1.0));
}

KERNEL(24) positions_kernel(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned size = blockDim.x * blockDim.y * blockDim.z;
  out[block * size + static_cast<unsigned>(gpu::thread_rank())] =
      static_cast<int>(threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x +
                       10000 * blockIdx.y + 100000 * blockIdx.z);
}

dim3 blocks_for(int n) { return dim3(static_cast<unsigned>((n + kThreads - 1) / kThreads)); }

}  // namespace

gpu::Status axpy(float a, const float* x, float* y, int n) {
  return gpu::launch(axpy_kernel, blocks_for(n), kThreads, 0, nullptr, a, x, y, n);
}
gpu::Status axpy_packed(float a, const float* x, float* y, int n) {
  return gpu::launch(axpy_packed_kernel, blocks_for((n + 3) / 4), kThreads, 0, nullptr, a, x, y, n);
}
gpu::Status round_to_bf16(const float* x, std::uint16_t* bits, float* back, int n) {
  return gpu::launch(bf16_kernel, blocks_for(n), kThreads, 0, nullptr, x, bits, back, n);
}
gpu::Status rounded_arithmetic(const float* x, const float* y, float* out, int n) {
  return gpu::launch(arithmetic_kernel, blocks_for(n), kThreads, 0, nullptr, x, y, out, n);
}
gpu::Status thread_positions(int* out) {
  return gpu::launch(positions_kernel, dim3(2, 3, 2), dim3(4, 2, 3), 0, nullptr, out);
}

}  // namespace ito::ITO_GPU_NS
