// Attributes of advance, for op.cpp and cuda.cu.
#pragma once

#include <cstdint>

namespace ito {

struct AdvanceAttrs {
  int64_t by = 1;
};

}  // namespace ito
