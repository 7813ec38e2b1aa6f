// Gradient clipping, Adam and the exponential moving average of all parameters in one pass.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// Everything that changes from step to step, so that the caller may keep it on the device.
struct AdamEmaAttrs {
  double lr = 2e-4;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;   ///< added to the clipped gradient (L2, not decoupled)
  double grad_clip = 1;      ///< limit of the global L2 norm; negative: off
  double ema_decay = 0.999;  ///< of this update; 0: the average follows the parameters
  int64_t step = 1;          ///< number of this update, from 1: bias correction
};

/// In place, over flat arenas of equal length:
///   g' = g min(1, clip / (|g| + 1e-6)) + wd p
///   m = b1 m + (1 - b1) g',  v = b2 v + (1 - b2) g'^2
///   p = p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)       (Kingma & Ba 2015, alg. 1)
///   ema = ema - (1 - decay) (ema - p)
/// Returns |g| [1] f64, the global norm before clipping, summed in an order that depends on the
/// length alone. Where it is not finite, p, m, v and ema stay as they are. p, g, m, v, ema: [n] of
/// one dtype (f32; f64). Throws ShapeError, DTypeError, ValueError.
Tensor adam_ema_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v,
                     const Tensor& ema, const AdamEmaAttrs& attrs);

}  // namespace ito::ops
