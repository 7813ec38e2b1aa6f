// The two types of the kernel interface that host code sees; includes no CUDA header.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace ito::gpu {

/// A CUDA stream (the same type as cudaStream_t). The emulator runs at once and ignores it.
using Stream = CUstream_st*;

/// What a launch returns; kernels never throw. `code` is a cudaError_t number, 0 for success.
/// `message` is static, or owned by the emulator until its next launch.
struct Status {
  int code = 0;
  const char* message = "";
  bool ok() const { return code == 0; }
};

/// Largest shared memory of one block on sm_90, static and dynamic together, in bytes.
inline constexpr std::size_t kMaxSharedBytes = 227 * 1024;

}  // namespace ito::gpu
