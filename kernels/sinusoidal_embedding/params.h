// Attributes of sinusoidal_embedding, which its GPU kernel reads as well.
#pragma once

#include <cstdint>

namespace ito {

struct SinusoidalAttrs {
  int64_t dim = 0;
};

}  // namespace ito
