// GPU kernel of slice: a strided copy.
#include "kernels/common/copy.cuh"
#include "kernels/slice/params.h"

namespace ito::ITO_GPU_NS {
namespace {

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const SliceAttrs*>(attrs);
  const Shape& shape = x[0].shape();
  const Strides strides = row_major_strides(shape);
  const std::size_t element = size_of(x[0].dtype());
  const int64_t skipped = a.begin * strides[static_cast<std::size_t>(shape.normalize(a.axis))];
  const auto* from = static_cast<const char*>(x[0].raw()) + skipped * static_cast<int64_t>(element);
  gpu::copy_box(launch, y[0].shape(), element, {from, strides},
                {y[0].raw(), row_major_strides(y[0].shape())});
}

}  // namespace

GpuKernels slice_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
