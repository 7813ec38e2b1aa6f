// GPU kernel of concat: one strided copy per input.
#include "kernels/common/copy.cuh"
#include "kernels/concat/params.h"

namespace ito::ITO_GPU_NS {
namespace {

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const Shape& shape = y[0].shape();
  const int axis = shape.normalize(static_cast<const ConcatAttrs*>(attrs)->axis);
  const Strides strides = row_major_strides(shape);
  const std::size_t element = size_of(y[0].dtype());
  auto* to = static_cast<char*>(y[0].raw());
  for (const Tensor& t : x) {
    gpu::copy_box(launch, t.shape(), element, {t.raw(), row_major_strides(t.shape())},
                  {to, strides});
    to += t.size(axis) * strides[static_cast<std::size_t>(axis)] * static_cast<int64_t>(element);
  }
}

}  // namespace

GpuKernels concat_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
