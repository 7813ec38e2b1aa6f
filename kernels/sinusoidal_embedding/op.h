// Sinusoidal embedding of time steps.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[n] = [sin(t[n] w_0), ..., sin(t[n] w_{h-1}), cos(t[n] w_0), ..., cos(t[n] w_{h-1})] with
/// h = dim / 2 and w_j = exp(-j ln(10000) / (h - 1)) (Vaswani et al. 2017, section 3.5, in the form
/// of Ho et al. 2020); an odd dim gets one zero behind. t [N], any floating dtype, in time steps
/// (fractions allowed); y [N, dim]. Frequencies and arguments are formed in float (f32, bf16) or
/// double; differentiable in t. Throws ShapeError (rank; dim < 4, where h - 1 vanishes),
/// DTypeError.
Tensor sinusoidal_embedding(const Tensor& t, int64_t dim);

}  // namespace ito::ops
