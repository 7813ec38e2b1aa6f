// What fused ops share with fir_resample: its plan and its adjoint.
#pragma once

#include "kernels/fir_resample/cpu.h"
#include "kernels/fir_resample/op.h"

namespace ito {

/// Terms of all rows and columns for images [N, H, W, C] of shape x that become y.
FirPlan fir_plan(const Shape& x, const Shape& y, const ops::FirAttrs& attrs);

/// The adjoint, from y back to x: x[i] = sum_j y[j] r[down j - up i + K - 1 - pad0], which is
/// flipped taps, up and down exchanged, and the padding that restores the size.
ops::FirAttrs fir_adjoint(const Shape& x, const Shape& y, const ops::FirAttrs& attrs);

}  // namespace ito
