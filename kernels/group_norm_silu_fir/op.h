// Group normalisation with SiLU and then resampling, beside the resampled input itself.
#pragma once

#include <utility>

#include "engine/core/tensor.h"
#include "kernels/fir_resample/op.h"

namespace ito::ops {

struct GroupNormFirAttrs {
  int groups = 32;
  double eps = 1e-6;  ///< added to the variance
  FirAttrs fir;
};

/// Both paths of a residual block that changes the resolution (Song et al. 2021, appendix H):
///   first = fir(silu(w (x - mu) / sqrt(var + eps) + b)),  second = fir(x),
/// with the statistics of group_norm_silu and the filter of fir_resample, which sees zeros outside
/// of the image on both paths. x [N, H, W, C] f32, bf16 or f64; w, b [C]. The normalised image is
/// never stored. Throws ShapeError, DTypeError, ValueError as these two ops do.
std::pair<Tensor, Tensor> group_norm_silu_fir(const Tensor& x, const Tensor& w, const Tensor& b,
                                              const GroupNormFirAttrs& attrs);

}  // namespace ito::ops
