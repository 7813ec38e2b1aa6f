// The Inception score.
#pragma once

#include "engine/core/tensor.h"

namespace ito::metrics {

/// exp(E KL(p(y|x) || p(y))) over all rows at once, where p(y|x) is the softmax of logits [N, K]
/// (f32 or f64) and p(y) its mean (Salimans et al. 2016, section 4). In [1, K].
/// Throws ShapeError without rows.
double inception_score(const Tensor& logits);

}  // namespace ito::metrics
