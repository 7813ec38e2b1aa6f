// Attributes of slice, which its GPU kernel reads as well.
#pragma once

#include <cstdint>

namespace ito {

struct SliceAttrs {
  int axis = 0;
  int64_t begin = 0, end = 0;
};

}  // namespace ito
