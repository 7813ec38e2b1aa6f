// One step of a one-stage sampler: x' = a x + b s + c z, with noise made inside the kernel.
#pragma once

#include "engine/core/tensor.h"
#include "engine/random/noise.h"

namespace ito::ops {

struct AffineNoiseAttrs {
  NoiseKey key;  ///< noise of table row i has step key.step + i
};

struct StepResult {
  Tensor x;     ///< the new state
  Tensor mean;  ///< the state without its last noise
};

/// mean = a x + b s,  x' = mean + c z,  z ~ N(0, I),  with (a, b, c) = table[row].
/// Every one-stage predictor is such a triple (Song et al. 2021, algorithms 1-5; samplers/step.h).
/// x, score [N, ...] f32 (f64, bf16); table [S, 3] f64; row i64 [1], so that one captured graph
/// serves all steps; samples i64 [N]: global index of each sample, which alone picks its noise; z
/// [N, ...] replaces the generated noise (replay), or is undefined. Computed as fma(c, z, fma(b, s,
/// a x)) in float (double for f64). Not differentiable. Throws ShapeError, DTypeError, ValueError
/// (row or sample out of range).
StepResult affine_noise_step(const Tensor& x, const Tensor& score, const Tensor& table,
                             const Tensor& row, const Tensor& samples, const Tensor& z,
                             const AffineNoiseAttrs& attrs);

}  // namespace ito::ops
