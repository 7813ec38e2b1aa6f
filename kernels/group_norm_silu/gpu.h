// The GPU kernels of group_norm_silu, for other ops that normalise on their way.
#pragma once

#include "kernels/group_norm_silu/pieces.cuh"

namespace ito::ITO_GPU_NS {

/// t.stats of images of this shape; t.y, t.w, t.b and t.mask are not used. T is float or Bf16Bits.
template <class T>
void group_norm_statistics_gpu(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                               const ForwardTensors<T>& t);

/// Those gradients in t that are not null; t.totals is made here.
template <class T>
void group_norm_backward_gpu(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                             BackwardTensors<T> t);

extern template void group_norm_statistics_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                               const ForwardTensors<float>&);
extern template void group_norm_statistics_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                               const ForwardTensors<gpu::Bf16Bits>&);
extern template void group_norm_backward_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                             BackwardTensors<float>);
extern template void group_norm_backward_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                             BackwardTensors<gpu::Bf16Bits>);

}  // namespace ito::ITO_GPU_NS
