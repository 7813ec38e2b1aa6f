// Conversion between dtypes.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// x as `dtype`; from float to bf16 it rounds to nearest even, from floating to integer it
/// truncates. Differentiable between floating dtypes.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace ito::ops
