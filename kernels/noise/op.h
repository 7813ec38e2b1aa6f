// Noise for a batch.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::ops {

enum class NoiseKind : uint8_t {
  normal,      ///< N(0, 1)
  uniform,     ///< [0, 1)
  rademacher,  ///< +1 or -1
};

struct NoiseAttrs {
  NoiseKind kind = NoiseKind::normal;
  Shape sample_shape;  ///< of one sample, without the batch
  DType dtype = DType::f32;
  NoiseKey key;
};

/// y[n, i] = element i of the noise of sample samples[n] (engine/random/noise.h), for samples
/// i64 [N], the global index of each sample; y is [N, sample_shape...] of a floating dtype. Made in
/// fp32, then converted. A sample's noise does not depend on the batch around it. Not
/// differentiable. Throws ShapeError, DTypeError, and ValueError for an index beyond 32 bits.
Tensor noise(const Tensor& samples, const NoiseAttrs& attrs);

}  // namespace ito::ops
