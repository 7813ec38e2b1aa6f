// The normals of normals_main.cpp from a GPU kernel, for the emulator.
#include "engine/random/noise.h"
#include "kernels/common/gpu.h"
#include "tests/engine/bit_equal/normals.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 256;

KERNEL(kThreads) normals_kernel(NoiseKey key, F32x4* z) {
  const std::uint32_t block = blockIdx.x * kThreads + threadIdx.x;
  z[block] = normal4(noise_bits(key, block >> 16, block & 0xffffu));
}

}  // namespace

gpu::Status write_normals(NoiseKey key, F32x4* z, std::uint32_t blocks) {
  return gpu::launch(normals_kernel, blocks / kThreads, kThreads, 0, nullptr, key, z);
}

}  // namespace ito::ITO_GPU_NS
