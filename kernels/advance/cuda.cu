// GPU kernel of advance: one thread per counter.
#include "kernels/advance/params.h"
#include "kernels/common/gpu_kernels.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 128;

KERNEL(kThreads) advance_kernel(std::int64_t* counters, std::int64_t count, std::int64_t by) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) counters[i] += by;
}

void forward(Launch& launch, const Tensors& x, const Tensors&, const void* attrs) {
  const std::int64_t count = x[0].numel();
  if (count == 0) return;
  gpu::check(gpu::launch(advance_kernel, gpu::blocks_for(count, kThreads), kThreads, 0,
                         launch.stream(), x[0].data<std::int64_t>(), count,
                         static_cast<const AdvanceAttrs*>(attrs)->by));
}

}  // namespace

GpuKernels advance_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
