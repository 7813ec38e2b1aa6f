// Attributes of binary, which its GPU kernel reads as well.
#pragma once

#include "kernels/binary/op.h"

namespace ito {

struct BinaryAttrs {
  ops::BinaryKind kind = ops::BinaryKind::add;
};

}  // namespace ito
