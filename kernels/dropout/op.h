// Dropout whose mask is a function of the sample.
#pragma once

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::ops {

struct DropoutAttrs {
  double rate = 0;  ///< probability of dropping an element, in [0, 1)
  NoiseKey key;
};

/// y = x (uniform_at(key, samples[n], element) >= rate) / (1 - rate) (Srivastava et al. 2014, in
/// the form that leaves the mean alone); `element` counts inside the sample. x [N, ...], any
/// floating dtype; samples i64 [N]: global index of each sample. The rate is compared in fp32:
/// every dtype has the same mask. Linear: the gradient is the same op. Rate 0 returns x. Throws
/// ShapeError, DTypeError, ValueError (rate, sample index beyond 32 bits).
Tensor dropout(const Tensor& x, const Tensor& samples, const DropoutAttrs& attrs);

}  // namespace ito::ops
