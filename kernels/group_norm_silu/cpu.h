#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/group_norm_silu/params.h"

namespace ito {

/// shift may be null. stats [N, G, 2]: mean and 1 / sqrt(var + eps) of u = x + shift.
template <class T>
struct GroupNormForward {
  const T *x, *w, *b, *shift;
  T* y;
  Acc<T>* stats;
};

/// Any gx, gw, gb, gshift may be null.
template <class T>
struct GroupNormBackward {
  const T *gy, *x, *w, *b, *shift;
  const Acc<T>* stats;
  T *gx, *gw, *gb, *gshift;
};

void group_norm_silu_cpu(Launch&, const GroupNormParams&, const GroupNormForward<float>&);
void group_norm_silu_cpu(Launch&, const GroupNormParams&, const GroupNormForward<BFloat16>&);
void group_norm_silu_cpu(Launch&, const GroupNormParams&, const GroupNormForward<double>&);
void group_norm_silu_backward_cpu(Launch&, const GroupNormParams&, const GroupNormBackward<float>&);
void group_norm_silu_backward_cpu(Launch&, const GroupNormParams&,
                                  const GroupNormBackward<BFloat16>&);
void group_norm_silu_backward_cpu(Launch&, const GroupNormParams&,
                                  const GroupNormBackward<double>&);

}  // namespace ito
