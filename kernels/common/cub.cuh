// Calls of CUB's device-wide algorithms, for files that only nvcc compiles (kernels/*/cub.cu).
#pragma once

#include <algorithm>

#include "kernels/common/gpu_kernels.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

/// Runs algorithm(temporary storage, its bytes) -> cudaError_t twice, as CUB wants it: for the
/// bytes, then with scratch memory of the launch.
template <class Algorithm>
void run_cub(Launch& launch, const Algorithm& algorithm) {
  const auto checked = [](cudaError_t error) {
    check({static_cast<int>(error), error == cudaSuccess ? "" : cudaGetErrorString(error)});
  };
  std::size_t bytes = 0;
  checked(algorithm(nullptr, bytes));
  void* temporary = launch.scratch<unsigned char>(static_cast<int64_t>(std::max<size_t>(bytes, 1)));
  checked(algorithm(temporary, bytes));
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
