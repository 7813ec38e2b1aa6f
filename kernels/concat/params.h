// Attributes of concat, which its GPU kernel reads as well.
#pragma once

namespace ito {

struct ConcatAttrs {
  int axis = 0;
};

}  // namespace ito
