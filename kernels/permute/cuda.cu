// GPU kernel of permute: a strided copy, in tiles where the innermost axis changes.
#include "kernels/common/copy.cuh"
#include "kernels/permute/params.h"

namespace ito::ITO_GPU_NS {
namespace {

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  const auto& axes = static_cast<const PermuteAttrs*>(attrs)->axes;
  gpu::copy_box(launch, y[0].shape(), size_of(y[0].dtype()),
                {x[0].raw(), permuted_strides(x[0].shape(), axes)},
                {y[0].raw(), row_major_strides(y[0].shape())});
}

}  // namespace

GpuKernels permute_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
