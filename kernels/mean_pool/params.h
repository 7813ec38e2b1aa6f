// Attributes of mean_pool, which its GPU kernel reads as well.
#pragma once

#include <cstdint>

namespace ito {

struct MeanPoolAttrs {
  int64_t k = 2;
};

}  // namespace ito
