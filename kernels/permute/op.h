// Reorders the axes of a tensor.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace ito::ops {

/// y[i_axes[0], i_axes[1], ...] = x[i_0, i_1, ...]: axis j of y is axis axes[j] of x (negative ones
/// count from the end). Any dtype; differentiable for floating ones. A copy, as tensors are dense.
/// Throws ShapeError unless `axes` holds every axis once.
Tensor permute(const Tensor& x, const std::vector<int>& axes);

}  // namespace ito::ops
