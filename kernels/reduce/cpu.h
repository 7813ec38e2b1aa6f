#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/reduce/op.h"

namespace ito {

/// out[o, i] = reduction over r of x[o, r, i], for x [outer, count, inner]; mean divides at the
/// end.
template <class T>
void reduce_cpu(Launch& launch, ops::ReduceKind kind, const T* x, T* y, int64_t outer,
                int64_t count, int64_t inner);

}  // namespace ito
