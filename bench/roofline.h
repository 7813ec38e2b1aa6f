// What a device can do at most, measured when the benchmarks start.
#pragma once

#include "engine/core/device.h"
#include "engine/core/dtype.h"

namespace ito::bench {

struct Ceilings {
  double copy_bytes = 0;  ///< bytes per second read plus written, main memory of the device
  /// Operations per second. CPU: fp32 fused multiply-adds from registers, all threads; for bf16 dot
  /// products of pairs from the first-level cache, or the same where the processor has none. GPU:
  /// the largest matrix product of the dtype.
  double flops_f32 = 0, flops_bf16 = 0;

  double flops(DType dtype) const { return dtype == DType::bf16 ? flops_bf16 : flops_f32; }
};

/// Takes a few seconds at most; the best of several runs.
Ceilings measure_ceilings(Device device);

}  // namespace ito::bench
