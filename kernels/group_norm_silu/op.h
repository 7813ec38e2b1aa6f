// Group normalisation with SiLU, and with the per-channel shift that a residual block adds first.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

enum class NormActivation : uint8_t { silu, identity };

struct GroupNormAttrs {
  int groups = 32;
  double eps = 1e-6;  ///< added to the variance
  NormActivation activation = NormActivation::silu;
};

/// y = act(w (u - mu) / sqrt(var + eps) + b),  u = x + shift,
/// with mu and var (biased) over the pixels and the C / groups channels of a group, per sample
/// (Wu & He 2018, eq. 1-2). x [N, ..., C] f32, bf16 or f64; w, b [C]; shift [N, C] or undefined:
/// the time embedding that the block adds per channel, so that x + shift is never stored.
/// Statistics are centred and kept in float (double for f64); deterministic.
/// Throws ShapeError (C % groups != 0, wrong sizes), DTypeError.
Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& shift,
                       const GroupNormAttrs& attrs = {});
inline Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b,
                              const GroupNormAttrs& attrs = {}) {
  return group_norm_silu(x, w, b, Tensor(), attrs);
}

}  // namespace ito::ops
