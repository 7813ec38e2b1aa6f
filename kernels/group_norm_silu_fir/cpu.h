#pragma once

#include "kernels/fir_resample/cpu.h"
#include "kernels/group_norm_silu/cpu.h"

namespace ito {

/// What the norm and the filter take, as first elements. stats [N, G, 2] as in group_norm_silu.
template <class T>
struct GroupNormFirForward {
  const T *x, *w, *b;
  T *y, *resampled_x;
  Acc<T>* stats;
};

void group_norm_silu_fir_cpu(Launch&, const GroupNormParams&, const FirPlan&,
                             const GroupNormFirForward<float>&);
void group_norm_silu_fir_cpu(Launch&, const GroupNormParams&, const FirPlan&,
                             const GroupNormFirForward<BFloat16>&);
void group_norm_silu_fir_cpu(Launch&, const GroupNormParams&, const FirPlan&,
                             const GroupNormFirForward<double>&);

/// to[i] += from[i], rounded once.
void add_to_cpu(int64_t count, const float* from, float* to);
void add_to_cpu(int64_t count, const BFloat16* from, BFloat16* to);
void add_to_cpu(int64_t count, const double* from, double* to);

}  // namespace ito
