// GPU kernel of accumulate: a thread takes four neighbours of the target and of the value, each in
// its own dtype, and adds in float.
#include "kernels/accumulate/params.h"
#include "kernels/common/index_space.cuh"
#include "kernels/common/sample_quads.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class To, class From>
KERNEL(gpu::kItemThreads)
accumulate_kernel(int64_t count, bool whole, AccumulateAttrs a, To* to, const From* from) {
  const int64_t first =
      (static_cast<int64_t>(blockIdx.x) * gpu::kItemThreads + gpu::thread_rank()) * gpu::kQuad;
  if (first >= count) return;
  const unsigned n = count - first < gpu::kQuad ? static_cast<unsigned>(count - first) : gpu::kQuad;
  const gpu::Quad<From> value = gpu::load_quad(from + first, n, whole);
  gpu::Quad<To> target{};
  if (a.adds) target = gpu::load_quad(to + first, n, whole);
#pragma unroll
  for (unsigned i = 0; i < gpu::kQuad; ++i) {
    const float term = gpu::widen(value.v[i]);
    target.v[i] = gpu::narrow<To>(a.adds ? gpu::add_rn(gpu::widen(target.v[i]), term) : term);
  }
  gpu::store_quad(to + first, target, n, whole);
}

void forward(Launch& launch, const Tensors& x, const Tensors&, const void* attrs) {
  const int64_t count = x[0].numel();
  if (count == 0) return;
  const bool whole = gpu::aligned16(x[0].raw(), x[1].raw());
  gpu::dispatch_element(x[0].dtype(), [&]<class To>() {
    gpu::dispatch_element(x[1].dtype(), [&]<class From>() {
      gpu::check(gpu::launch(accumulate_kernel<To, From>,
                             gpu::blocks_for(count, gpu::kItemThreads * gpu::kQuad),
                             gpu::kItemThreads, 0, launch.stream(), count, whole,
                             *static_cast<const AccumulateAttrs*>(attrs),
                             gpu::elements_of<To>(x[0]), gpu::elements_of<From>(x[1])));
    });
  });
}

}  // namespace

GpuKernels accumulate_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
