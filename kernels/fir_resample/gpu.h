// The GPU kernels of fir_resample, for other ops that filter on their way.
#pragma once

#include "kernels/common/gpu_kernels.h"
#include "kernels/fir_resample/op.h"

namespace ito::ITO_GPU_NS {

/// Filters x of shape `from` into y of shape `to`. T is float or Bf16Bits.
template <class T>
void fir_resample_gpu(Launch& launch, const Shape& from, const Shape& to,
                      const ops::FirAttrs& attrs, const T* x, T* y);
extern template void fir_resample_gpu(Launch&, const Shape&, const Shape&, const ops::FirAttrs&,
                                      const float*, float*);
extern template void fir_resample_gpu(Launch&, const Shape&, const Shape&, const ops::FirAttrs&,
                                      const gpu::Bf16Bits*, gpu::Bf16Bits*);

}  // namespace ito::ITO_GPU_NS
