// Attributes of unary, which its GPU kernel reads as well.
#pragma once

#include "kernels/unary/op.h"

namespace ito {

struct UnaryAttrs {
  ops::UnaryKind kind = ops::UnaryKind::linear;
  double p0 = 0, p1 = 0;
};

}  // namespace ito
