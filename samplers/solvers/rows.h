// Choosing between two states, sample by sample.
#pragma once

#include "engine/core/tensor.h"

namespace ito::samplers {

/// Row n of `a` where pick[n] is 0, of `b` where it is 1; pick f64 [N] on their device. No
/// arithmetic with the values: a row that is not finite does not touch the other. Does not wait for
/// the device.
Tensor select_rows(const Tensor& a, const Tensor& b, const Tensor& pick);

}  // namespace ito::samplers
