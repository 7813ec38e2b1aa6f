#pragma once

#include "engine/random/noise.h"
#include "kernels/common/gpu_types.h"

namespace ito::emulated {

/// z[i] = normals of Philox block i % 2^16 of sample i / 2^16; `blocks` is a multiple of 256.
gpu::Status write_normals(NoiseKey key, F32x4* z, std::uint32_t blocks);

}  // namespace ito::emulated
