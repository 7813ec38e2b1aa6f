// Choosing between two states, sample by sample, and the size of an error.
#pragma once

#include <vector>

#include "engine/core/tensor.h"

namespace ito::samplers {

/// Row n of `a` where pick[n] is 0, of `b` where it is 1; pick [N] on their device, f32 or of their
/// dtype. No arithmetic with the values: a row that is not finite does not touch the other. Does
/// not wait for the device. Throws ShapeError for more rows than f32 can count (2^23).
Tensor select_rows(const Tensor& a, const Tensor& b, const Tensor& pick);
/// The same for a choice that the host has made.
Tensor select_rows(const Tensor& a, const Tensor& b, const std::vector<int64_t>& pick);

/// Mean of x^2 over each row of x [N, ...], computed in x's dtype. Waits for the device, which
/// sends one number per row.
std::vector<double> mean_squares(const Tensor& x);

}  // namespace ito::samplers
