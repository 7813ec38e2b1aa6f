// Random Fourier features of the noise level.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[n] = [sin p_0, ..., sin p_{M-1}, cos p_0, ..., cos p_{M-1}], p_j = ((u[n] w[j]) 2) pi
/// (Tancik et al. 2020; Song et al. 2021, appendix H), for u [N], w [M] of one floating dtype;
/// y [N, 2M]. The product is formed in that order, in float (f32, bf16) or double: p is large, and
/// another order would give other features. Differentiable in both. Throws ShapeError, DTypeError.
Tensor fourier_embedding(const Tensor& u, const Tensor& w);

}  // namespace ito::ops
