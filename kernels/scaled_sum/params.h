// Attributes of scaled_sum, which its GPU kernel reads as well.
#pragma once

namespace ito {

struct ScaledSumAttrs {
  double a = 1, b = 1;
};

}  // namespace ito
