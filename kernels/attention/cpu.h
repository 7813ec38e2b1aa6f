#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/attention/params.h"

namespace ito {

/// lse [B, Tq]: log sum_j exp(scale q_i k_j), which the backward pass starts from.
template <class T>
struct AttentionForward {
  const T *q, *k, *v;
  T* y;
  Acc<T>* lse;
};

/// Any gq, gk, gv may be null.
template <class T>
struct AttentionBackward {
  const T *gy, *q, *k, *v, *y;
  const Acc<T>* lse;
  T *gq, *gk, *gv;
};

void attention_cpu(Launch&, const AttentionParams&, const AttentionForward<float>&);
void attention_cpu(Launch&, const AttentionParams&, const AttentionForward<BFloat16>&);
void attention_cpu(Launch&, const AttentionParams&, const AttentionForward<double>&);
void attention_backward_cpu(Launch&, const AttentionParams&, const AttentionBackward<float>&);
void attention_backward_cpu(Launch&, const AttentionParams&, const AttentionBackward<BFloat16>&);
void attention_backward_cpu(Launch&, const AttentionParams&, const AttentionBackward<double>&);

}  // namespace ito
