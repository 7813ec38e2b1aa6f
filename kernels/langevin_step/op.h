// One Langevin step whose size follows from the norms of score and noise, without leaving the
// device.
#pragma once

#include "kernels/affine_noise_step/op.h"

namespace ito::ops {

/// Which norms set the step size.
enum class SnrNorm : uint8_t {
  per_sample,  ///< of each sample: a sample does not depend on its neighbours
  batch_mean,  ///< means over the batch, as in the reference implementation
  sqrt_dim,    ///< |z| replaced by sqrt(d), |s| per sample (Song et al. 2021, App. G)
};

struct LangevinAttrs {
  double snr = 0.16;
  SnrNorm norm = SnrNorm::per_sample;
  NoiseKey key;  ///< noise of table row i has step key.step + i
};

/// eps = 2 alpha (snr |z| / |s|)^2,  mean = x + eps s,  x' = mean + sqrt(2 eps) z
/// (Song et al. 2021, algorithms 4 and 5), with alpha = table[row]. A zero score gives eps = 0.
/// Shapes and dtypes as for affine_noise_step, but table [S, 1]. Norms are summed in double, in an
/// order that depends on the shape alone. Not differentiable. Throws ShapeError, DTypeError,
/// ValueError.
StepResult langevin_step(const Tensor& x, const Tensor& score, const Tensor& table,
                         const Tensor& row, const Tensor& samples, const Tensor& z,
                         const LangevinAttrs& attrs);

}  // namespace ito::ops
