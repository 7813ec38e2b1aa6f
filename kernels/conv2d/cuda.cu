// GPU convolution: y = patches of x times w^T + bias as one implicit product (sources.cuh,
// kernels/common/product.cuh), bf16 on tensor cores, f32 exact. k runs over the taps and channels
// of one image alone and is never cut, so an image has the same bits in every batch.
#include "kernels/common/cudnn.h"
#include "kernels/conv2d/sources.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class T>
void convolve(Launch& launch, const Conv2dParams& p, const T* x, const T* w, const T* bias, T* y) {
  const std::int64_t depth = p.kh * p.kw * p.ci;
  start_product(launch, ProductCall<ImageSource<T, true>, MatrixSource<T, true>>{
                            .m = p.n * p.ho * p.wo,
                            .n = p.co,
                            .k = depth,
                            .a = {p, x},
                            .b = matrix_source<T, true>(w, depth),
                            .c = y,
                            .bias = bias});
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const Conv2dParams p =
      conv2d_params(x[0].shape(), x[1].shape(), *static_cast<const ops::Conv2dAttrs*>(attrs));
  if (cudnn_convolution(launch,
                        {ConvolutionCall::Direction::forward, p, x[0], x[1], y[0], &x[2]})) {
    return;
  }
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    convolve(launch, p, gpu::elements_of<const T>(x[0]), gpu::elements_of<const T>(x[1]),
             gpu::elements_of<const T>(x[2]), gpu::elements_of<T>(y[0]));
  });
}

bool handles(const Specs& x, const void* attrs) {
  return x[0].dtype != DType::f64 &&
         fits_product(
             conv2d_params(x[0].shape, x[1].shape, *static_cast<const ops::Conv2dAttrs*>(attrs)));
}

}  // namespace

GpuKernels conv2d_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
