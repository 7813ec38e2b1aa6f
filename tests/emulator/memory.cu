#include <cstdlib>

#include "kernels/common/gpu.h"
#include "tests/emulator/kernels.h"

namespace ito::ITO_GPU_NS {

#ifdef __CUDACC__

bool available() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  return cudaMallocManaged(&memory, bytes) == cudaSuccess ? memory : nullptr;
}

void release(void* memory) { cudaFree(memory); }

gpu::Status finish() {
  const cudaError_t error = cudaDeviceSynchronize();
  return {static_cast<int>(error), cudaGetErrorString(error)};
}

#else

bool available() { return true; }
void* allocate(std::size_t bytes) { return std::malloc(bytes); }
void release(void* memory) { std::free(memory); }
gpu::Status finish() { return {}; }

#endif

}  // namespace ito::ITO_GPU_NS
