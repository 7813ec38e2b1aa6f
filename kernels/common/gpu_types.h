// The two types of the kernel interface that host code sees; includes no CUDA header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/cuda/status.h"

struct CUstream_st;

namespace ito::gpu {

/// A CUDA stream (the same type as cudaStream_t). The emulator runs at once and ignores it.
using Stream = CUstream_st*;

/// What a launch returns; kernels never throw. The emulator owns its messages until its next launch.
using Status = ::ito::cuda::Status;

/// Largest shared memory of one block on sm_90, static and dynamic together, in bytes.
inline constexpr std::size_t kMaxSharedBytes = 227 * 1024;

}  // namespace ito::gpu
