#pragma once

#include "engine/core/dtype.h"
#include "kernels/unary/op.h"

namespace ito {

/// Vectorised and parallel; bf16 is computed in float. Not for power (see op.cpp).
void unary_cpu(ops::UnaryKind kind, double p0, double p1, const float* x, float* y, int64_t n);
void unary_cpu(ops::UnaryKind kind, double p0, double p1, const BFloat16* x, BFloat16* y,
               int64_t n);

}  // namespace ito
