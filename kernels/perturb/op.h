// Data with noise: a draw from the transition kernel of a linear SDE.
#pragma once

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::ops {

struct Perturbed {
  Tensor x_t;
  Tensor z;  ///< the noise in it
};

/// x_t = mean[n] x0 + std[n] z, z ~ N(0, I) of sample samples[n]: a draw from p(x_t | x_0) (Song et
/// al. 2021, eq. 29). x0 [N, ...], any floating dtype; mean, std [N], any floating dtype, taken in
/// float (f32, bf16) or double; samples i64 [N]: global index of each sample. Computed as
/// fma(std, z, mean x0); both results have the dtype of x0. Differentiable in x0, mean and std; z
/// is a constant. Throws ShapeError, DTypeError, and ValueError for an index beyond 32 bits.
Perturbed perturb(const Tensor& x0, const Tensor& mean, const Tensor& std, const Tensor& samples,
                  NoiseKey key);

}  // namespace ito::ops
