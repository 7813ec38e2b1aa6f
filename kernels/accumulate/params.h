// Attributes of accumulate, which its GPU kernel reads as well.
#pragma once

namespace ito {

struct AccumulateAttrs {
  bool adds = true;  ///< else the target is overwritten: the first term of a sum
};

}  // namespace ito
