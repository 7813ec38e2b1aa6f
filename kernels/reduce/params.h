// Attributes of reduce, which its GPU kernel reads as well.
#pragma once

#include "kernels/reduce/op.h"

namespace ito {

/// Reduces the neighbouring axes [first, last]. Axes that are not neighbours take several calls.
struct ReduceAttrs {
  ops::ReduceKind kind = ops::ReduceKind::sum;
  int first = 0;
  int last = 0;
};

}  // namespace ito
