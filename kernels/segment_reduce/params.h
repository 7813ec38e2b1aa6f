// Attributes of segment_reduce, which its GPU side reads as well.
#pragma once

#include "kernels/segment_reduce/op.h"

namespace ito {

struct SegmentReduceAttrs {
  ops::SegmentKind kind = ops::SegmentKind::sum;
};

}  // namespace ito
