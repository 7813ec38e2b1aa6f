// The normalisation of NCSN and NCSNv2.
#pragma once

#include "models/init.h"
#include "models/parameter.h"

namespace ito::nn {

/// InstanceNorm++ (Song & Ermon 2019, appendix A.1): an instance norm that keeps what the means of
/// the channels say of one another.
///   y_c = gamma_c ((x_c - m_c) / sqrt(v_c + eps) + alpha_c (m_c - mean m) / sqrt(var m + eps))
///         + beta_c
/// with m_c and v_c (biased) the moments of channel c over the pixels, mean m and var m (unbiased)
/// those of the m_c over the channels, eps = 1e-5. Conditional: one gamma, alpha and beta for each
/// noise level.
struct InstanceNormPlus {
  Tensor gamma, alpha, beta;  // [C]
  Tensor table;               // conditional: [levels, 3C], a row is gamma, alpha, beta

  InstanceNormPlus() = default;
  /// `levels`: number of noise levels for the conditional one, 0 for the other.
  InstanceNormPlus(Init& init, int channels, int levels);
  /// x [N, H, W, C]; level i64 [N], undefined for the unconditional one.
  Tensor operator()(const Tensor& x, const Tensor& level) const;
  void list(ParameterList& list);
};

}  // namespace ito::nn
