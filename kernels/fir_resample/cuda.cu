// GPU kernels of fir_resample: those of kernels.cuh on the images as they are.
#include "kernels/fir_resample/gpu.h"
#include "kernels/fir_resample/kernels.cuh"

namespace ito::ITO_GPU_NS {

template <class T>
void fir_resample_gpu(Launch& launch, const Shape& from, const Shape& to,
                      const ops::FirAttrs& attrs, const T* x, T* y) {
  if (to.numel() == 0) return;
  constexpr int kVector = gpu::Pack<T>::kSize;
  if (from[3] % kVector == 0 && gpu::aligned16(x, y)) {
    fir::run<T, kVector, fir::SameImage<kVector>>(launch, from, to, attrs, x, {y, nullptr}, {});
  } else {
    fir::run<T, 1, fir::SameImage<1>>(launch, from, to, attrs, x, {y, nullptr}, {});
  }
}
template void fir_resample_gpu(Launch&, const Shape&, const Shape&, const ops::FirAttrs&,
                               const float*, float*);
template void fir_resample_gpu(Launch&, const Shape&, const Shape&, const ops::FirAttrs&,
                               const gpu::Bf16Bits*, gpu::Bf16Bits*);

namespace {

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    fir_resample_gpu(launch, x[0].shape(), y[0].shape(), *static_cast<const ops::FirAttrs*>(attrs),
                     gpu::elements_of<const T>(x[0]), gpu::elements_of<T>(y[0]));
  });
}

bool handles(const Specs& inputs, const void* attrs) {
  return inputs[0].dtype != DType::f64 && fir::handles(*static_cast<const ops::FirAttrs*>(attrs));
}

}  // namespace

GpuKernels fir_resample_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
