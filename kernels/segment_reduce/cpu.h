#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/segment_reduce/op.h"

namespace ito {

/// Reduces `segments` segments of x into y, which holds T, or int64_t for argmin.
template <class T>
void segment_reduce_cpu(Launch& launch, ops::SegmentKind kind, const T* x, const int64_t* offsets,
                        int64_t segments, void* y);

}  // namespace ito
