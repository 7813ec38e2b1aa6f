#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/max_pool/params.h"

namespace ito {

/// keys may be x.
void max_pool_cpu(const PoolGeometry&, const float* x, const float* keys, float* y);
void max_pool_cpu(const PoolGeometry&, const BFloat16* x, const BFloat16* keys, BFloat16* y);
void max_pool_cpu(const PoolGeometry&, const double* x, const double* keys, double* y);

void max_pool_dx_cpu(Launch&, const PoolGeometry&, const float* gy, const float* keys, float* gx);
void max_pool_dx_cpu(Launch&, const PoolGeometry&, const BFloat16* gy, const BFloat16* keys,
                     BFloat16* gx);
void max_pool_dx_cpu(Launch&, const PoolGeometry&, const double* gy, const double* keys,
                     double* gx);

}  // namespace ito
