// Convolutions of 3 x 3 taps with a quarter of the multiplications: Winograd's minimal filtering
// F(4 x 4, 3 x 3) (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", eq. 8).
//
// An output tile of 4 x 4 pixels is A^T [sum over channels of (G g G^T) * (B^T d B)] A, with d the
// 6 x 6 window that it reads and g the taps; the products at each of the 36 points are one matrix
// product over channels. Sums are made in float, so they lose more digits than a direct
// convolution: for MathMode::fast only (docs/testing.md states the limit).
#pragma once

#include "kernels/conv2d/cpu.h"

namespace ito {

/// Whether the algorithm computes p: 3 x 3 taps, no stride, no dilation, channels in whole vectors.
bool winograd_fits(const Conv2dParams& p);

/// One direction of the convolution p, for T = float or BFloat16, which is computed in float and
/// rounded once. The result depends neither on the thread count nor, but for dw, on the batch.
template <class T>
void conv2d_winograd(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                     const Conv2dArrays<T>& t);

}  // namespace ito
