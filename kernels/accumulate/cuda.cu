// GPU kernel of accumulate: the element-wise driver, writing over its first operand.
#include "kernels/common/elementwise.cuh"

namespace ito::ITO_GPU_NS {
namespace {

struct Function {
  template <class T, int V>
  DEV void operator()(const T (&x)[2][V], T (&y)[V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      y[i] = gpu::narrow<T>(gpu::add_rn(gpu::widen(x[0][i]), gpu::widen(x[1][i])));
    }
  }
};

void forward(Launch& launch, const Tensors& x, const Tensors&, const void*) {
  const std::int64_t n = x[0].numel();
  if (n == 0) return;
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    gpu::map<2, T>(launch, gpu::flat_box<3>(n),
                   {gpu::elements_of<T>(x[0]), gpu::elements_of<T>(x[1])},
                   gpu::elements_of<T>(x[0]), Function{});
  });
}

}  // namespace

GpuKernels accumulate_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
