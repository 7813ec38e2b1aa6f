// Attributes of cast, which its GPU kernel reads as well.
#pragma once

#include "engine/core/dtype.h"

namespace ito {

struct CastAttrs {
  DType dtype = DType::f32;
};

}  // namespace ito
