// GPU kernel of fourier_embedding: a thread makes the sine and the cosine of one argument. The
// argument is rounded step by step, as on the CPU: it can be large, and its error is the result's.
// sinf and cosf reduce large arguments exactly; __sinf would not.
#include <cmath>
#include <numbers>

#include "kernels/common/index_space.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class T>
KERNEL(gpu::kItemThreads)
embed_kernel(gpu::Divider features, unsigned items, const T* __restrict__ u,
             const T* __restrict__ w, T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned n = features.quotient(item), j = item - n * features.divisor;
  const float product = gpu::mul_rn(gpu::widen(u[n]), gpu::widen(w[j]));
  const float p = gpu::mul_rn(gpu::mul_rn(product, 2.0f), std::numbers::pi_v<float>);
  T* row = y + static_cast<std::size_t>(n) * 2 * features.divisor;
  row[j] = gpu::narrow<T>(sinf(p));
  row[features.divisor + j] = gpu::narrow<T>(cosf(p));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (y[0].numel() == 0) return;
  const int64_t features = x[1].numel();
  const gpu::Divider divider(features);
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    gpu::for_row_parts(x[0].numel(), features, [&](int64_t first, int64_t count) {
      const int64_t items = count * features;
      gpu::check(gpu::launch(
          embed_kernel<T>, gpu::blocks_for(items, gpu::kItemThreads), gpu::kItemThreads, 0,
          launch.stream(), divider, static_cast<unsigned>(items), gpu::elements_of<T>(x[0]) + first,
          gpu::elements_of<T>(x[1]), gpu::elements_of<T>(y[0]) + first * 2 * features));
    });
  });
}

}  // namespace

GpuKernels fourier_embedding_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
