// Which algorithm computes a convolution on the CPU in MathMode::fast.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/conv2d/cpu.h"

namespace ito {

enum class ConvAlgorithm : uint8_t { direct, winograd };

/// The faster of the two for this shape, dtype and number of threads: run(algorithm) is timed at
/// the first call, in turns, large weights with cold caches, and the answer kept in
/// ITO_CACHE_DIR/cpu_convolutions.txt for later processes. Pass std::ref of a lambda.
/// ITO_CPU_CONVOLUTION=direct or winograd decides without timing.
ConvAlgorithm fastest_algorithm(ConvDirection direction, const Conv2dParams& p, DType dtype,
                                const std::function<void(ConvAlgorithm)>& run);

}  // namespace ito
