// CPU kernels of conv2d, conv2d_dx and conv2d_dw.
//
// Directly, f32 and bf16 go to oneDNN where it has a kernel for the machine and the shape, unless
// the image is small and the weights are many. Those, f64 and the rest are our own matrix product
// for all images at once: a row for every pixel of the result, gathered tap by tap (after Dukhan
// 2019, "The indirect convolution algorithm"). The weights' gradient is our own, too, but for few
// input channels (weights_gradient.h).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/autograd/op_info.h"
#include "kernels/conv2d/params.h"

namespace ito {

/// Arrays of one convolution. Forward reads x, w, bias and writes y; dx reads y (as gy) and w and
/// writes x; dw reads x and y and writes w.
template <class T>
struct Conv2dArrays {
  T *x, *w, *y;
  const T* bias = nullptr;           ///< or null
  Storage* weights_owner = nullptr;  ///< of w, if what is derived from w may be kept there
};

/// `bytes` of weights in another order, written by pack(memory): kept under `key` where the owner
/// of the weights keeps them, else in scratch memory and made at every call. Pass std::ref of a
/// lambda: a function that holds a reference allocates nothing.
template <class T>
std::shared_ptr<const void> packed_weights(Launch& launch, const Conv2dArrays<T>& t,
                                           std::vector<int64_t> key, size_t bytes,
                                           const std::function<void(void*)>& pack);

enum class ConvDirection : uint8_t { forward, dx, dw };

/// One direction of the convolution p. In MathMode::fast by the fastest algorithm, else directly.
template <class T>
void conv2d_cpu(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                const Conv2dArrays<T>& t);

/// The same through oneDNN (cpu_onednn.cpp). False: not for this shape, machine or build, and
/// nothing was written.
template <class T>
bool conv2d_onednn(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                   const Conv2dArrays<T>& t);

}  // namespace ito
