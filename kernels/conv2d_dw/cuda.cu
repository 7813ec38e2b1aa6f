// GPU gradient of a convolution in its weights: gw = gy^T times patches of x, an implicit product
// whose k runs over the pixels of all images (kernels/conv2d/sources.cuh,
// kernels/common/product.cuh). The result is small and k long, so k is cut into slices, a number
// that depends on the shape alone; their fp32 sums are added in ascending order.
#include "kernels/common/cudnn.h"
#include "kernels/conv2d/sources.cuh"
#include "kernels/conv2d_dw/op.h"

namespace ito::ITO_GPU_NS {
namespace {

/// Enough slices to fill a large GPU twice with tiles of 128 x 128, each of at least 512 pixels.
std::int64_t slices_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t kBlocks = 264, kLeastPixels = 512;
  const std::int64_t tiles = (m + 127) / 128 * ((n + 127) / 128);
  return std::clamp<std::int64_t>(std::min(kBlocks / tiles, k / kLeastPixels), 1, 64);
}

template <class T>
void weight_gradient(Launch& launch, const Conv2dParams& p, const T* x, const T* gy, T* gw) {
  const std::int64_t n = p.kh * p.kw * p.ci, k = p.n * p.ho * p.wo;
  start_product(launch, ProductCall<MatrixSource<T, false>, ImageSource<T, false>>{
                            .m = p.co,
                            .n = n,
                            .k = k,
                            .a = matrix_source<T, false>(gy, p.co),
                            .b = {p, x},
                            .c = gw,
                            .slices = slices_of(p.co, n, k)});
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::Conv2dDwAttrs*>(attrs);
  const Conv2dParams p = conv2d_params(x[0].shape(), a.w_shape, a.conv);
  if (cudnn_convolution(launch, {ConvolutionCall::Direction::dw, p, x[0], y[0], x[1]})) return;
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    weight_gradient(launch, p, gpu::elements_of<const T>(x[0]), gpu::elements_of<const T>(x[1]),
                    gpu::elements_of<T>(y[0]));
  });
}

bool handles(const Specs& x, const void* attrs) {
  const auto& a = *static_cast<const ops::Conv2dDwAttrs*>(attrs);
  return x[0].dtype != DType::f64 && fits_product(conv2d_params(x[0].shape, a.w_shape, a.conv));
}

}  // namespace

GpuKernels conv2d_dw_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
