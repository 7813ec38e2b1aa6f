// The gradient of a convolution's weights as sums of outer products: for every tap, gw[co, ci] adds
// up gy[pixel, co] x[pixel the tap reads, ci] over the output pixels of all images.
//
// Both operands are put into panels of channels, as those of a matrix product; a register tile of
// sums, some output channels by some input channels of one tap, takes all pixels of a band in one
// loop that leaves out the pixels whose tap lies in the padding. Tiles are work of their own, so
// one image keeps all threads busy.
#pragma once

#include "kernels/conv2d/cpu.h"

namespace ito {

/// Whether this is faster than the library.
template <class T>
bool weights_gradient_pays(const Conv2dParams& p);

/// gw of the convolution p, any sizes. Every element is a chain of fused multiply-adds in the
/// accumulation type over images, rows and columns in order (for bf16, where the processor has dot
/// products of pairs, over pairs of columns); where there are few weights, a number of such chains
/// that depends on the sizes alone, added in order.
template <class T>
void conv2d_weights_gradient(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t);

}  // namespace ito
