// Group normalisation with SiLU, and with the per-channel shift that a residual block adds first.
#pragma once

#include "engine/core/tensor.h"
#include "kernels/dropout/op.h"

namespace ito::ops {

enum class NormActivation : uint8_t { silu, identity };

struct GroupNormAttrs {
  int groups = 32;
  double eps = 1e-6;  ///< added to the variance
  NormActivation activation = NormActivation::silu;
  DropoutAttrs dropout;  ///< after the activation; needs `samples` unless the rate is 0
};

/// y = dropout(act(w (u - mu) / sqrt(var + eps) + b)),  u = x + shift,
/// with mu and var (biased) over the pixels and the C / groups channels of a group, per sample
/// (Wu & He 2018, eq. 1-2). x [N, ..., C] f32, bf16 or f64; w, b [C]; shift [N, C] or undefined:
/// the time embedding that the block adds per channel, so that x + shift is never stored. samples
/// i64 [N]: global index of each sample, which picks the mask of the op dropout; undefined for rate
/// 0. No mask is stored. Statistics are centred and kept in float (double for f64); deterministic.
/// Throws ShapeError (C % groups != 0, wrong sizes), DTypeError, ValueError (rate, sample index
/// beyond 32 bits).
Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& shift,
                       const Tensor& samples, const GroupNormAttrs& attrs);
inline Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b,
                              const Tensor& shift, const GroupNormAttrs& attrs = {}) {
  return group_norm_silu(x, w, b, shift, Tensor(), attrs);
}
inline Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b,
                              const GroupNormAttrs& attrs = {}) {
  return group_norm_silu(x, w, b, Tensor(), Tensor(), attrs);
}

}  // namespace ito::ops
