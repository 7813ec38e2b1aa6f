// Attributes of pad, which its GPU kernel reads as well.
#pragma once

#include <cstdint>

namespace ito {

struct PadAttrs {
  int axis = 0;
  int64_t before = 0, after = 0;
};

}  // namespace ito
