// GPU gradient of a convolution in its image: gx = patches of gy times w by taps, as one implicit
// product (kernels/conv2d/sources.cuh, kernels/common/product.cuh). With a stride, the taps that
// reach no output of a pixel are read as zeros. k is never cut, so an image has the same bits in
// every batch.
#include "kernels/common/cudnn.h"
#include "kernels/conv2d/sources.cuh"
#include "kernels/conv2d_dx/op.h"

namespace ito::ITO_GPU_NS {
namespace {

template <class T>
void convolve_back(Launch& launch, const Conv2dParams& p, const T* gy, const T* w, T* gx) {
  start_product(launch, ProductCall<GradientSource<T>, TapWeightSource<T>>{.m = p.n * p.h * p.w,
                                                                           .n = p.ci,
                                                                           .k = p.kh * p.kw * p.co,
                                                                           .a = {p, gy},
                                                                           .b = {p, w},
                                                                           .c = gx});
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::Conv2dDxAttrs*>(attrs);
  const Conv2dParams p = conv2d_params(a.x_shape, x[1].shape(), a.conv);
  if (cudnn_convolution(launch, {ConvolutionCall::Direction::dx, p, y[0], x[1], x[0]})) return;
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    convolve_back(launch, p, gpu::elements_of<const T>(x[0]), gpu::elements_of<const T>(x[1]),
                  gpu::elements_of<T>(y[0]));
  });
}

bool handles(const Specs& x, const void* attrs) {
  const auto& a = *static_cast<const ops::Conv2dDxAttrs*>(attrs);
  return x[0].dtype != DType::f64 && fits_product(conv2d_params(a.x_shape, x[1].shape, a.conv));
}

}  // namespace

GpuKernels conv2d_dx_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
