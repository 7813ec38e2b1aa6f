// Convolutions through cuDNN 9, where its library is found at run time.
#pragma once

#include "engine/autograd/op_info.h"
#include "kernels/common/library.h"
#include "kernels/conv2d/params.h"

namespace ito {

/// One convolution, NHWC. forward reads x, w and bias and writes y; dx reads y (as
/// gy) and w and writes x; dw reads x and y and writes w. f32 (full fp32, no TF32) or bf16 with
/// fp32 sums.
struct ConvolutionCall {
  enum class Direction : uint8_t { forward, dx, dw };
  Direction direction;
  Conv2dParams p;
  const Tensor &x, &w, &y;
  const Tensor* bias = nullptr;  ///< null or undefined for none
  bool has_bias() const { return bias != nullptr && *bias; }
};

/// Starts the convolution on the launch's stream. False: no library (environment ITO_CUDNN_LIBRARY
/// names another file), or it has no algorithm for this shape whose result is the same every time,
/// and nothing was written; the reason is in kernel_choices(). The fastest algorithm is searched by
/// running them the first time that a shape is seen, never while a graph is recorded, and kept in
/// the file of plan_cache.h.
bool cudnn_convolution(Launch& launch, const ConvolutionCall& call);

/// Opens the library if that was not done yet.
LibraryState cudnn_state();

}  // namespace ito
