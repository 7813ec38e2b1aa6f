// Attributes of upsample_nearest, which its GPU kernel reads as well.
#pragma once

#include <cstdint>

namespace ito {

struct UpsampleAttrs {
  int64_t k = 2;
};

}  // namespace ito
