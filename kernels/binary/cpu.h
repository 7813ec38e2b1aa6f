#pragma once

#include "engine/core/dtype.h"
#include "kernels/binary/op.h"
#include "kernels/common/broadcast.h"

namespace ito {

/// Vectorised and parallel; bf16 is computed in float.
void binary_cpu(ops::BinaryKind kind, const BroadcastPlan& plan, const float* a, const float* b,
                float* y);
void binary_cpu(ops::BinaryKind kind, const BroadcastPlan& plan, const BFloat16* a,
                const BFloat16* b, BFloat16* y);

}  // namespace ito
