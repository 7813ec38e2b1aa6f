// Scaled dot-product attention with one head.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

struct AttentionAttrs {
  double scale = 1;  ///< factor on q k^T, usually 1 / sqrt(D)
};

/// y = softmax(scale q k^T) v per batch entry (Vaswani et al. 2017, eq. 1); q [B, Tq, D], k and v
/// [B, Tk, D], y [B, Tq, D], one dtype of f32, bf16, f64. Never stores a Tq x Tk matrix; sums are
/// in float (double for f64). Infinite or NaN products give NaN. Throws ShapeError (Tk = 0, D = 0
/// or sizes that differ), DTypeError.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionAttrs& attrs = {});

}  // namespace ito::ops
