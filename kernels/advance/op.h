// A counter in device memory.
#pragma once

#include "engine/core/tensor.h"

namespace ito::ops {

/// counter += by, in place; i64 of any shape. A recorded graph counts its own replays with it, so
/// that every step of a sampler is the same graph. Not differentiable. Throws DTypeError.
void advance(const Tensor& counter, int64_t by = 1);

}  // namespace ito::ops
