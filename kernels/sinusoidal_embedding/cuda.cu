// GPU kernel of sinusoidal_embedding: a thread makes the sine and the cosine of one argument. The
// frequency comes from an exponential in fp64, rounded once, as on the CPU: a late time step
// multiplies its error by a thousand.
#include <cmath>

#include "kernels/common/index_space.cuh"
#include "kernels/sinusoidal_embedding/params.h"

namespace ito::ITO_GPU_NS {
namespace {

/// A thread per frequency and sample; the last one of an odd dimension writes the zero.
struct Row {
  int64_t dim;
  unsigned half;
  gpu::Divider threads;
  float rate;
};

template <class T>
KERNEL(gpu::kItemThreads)
embed_kernel(Row row, unsigned items, const T* __restrict__ t, T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned n = row.threads.quotient(item), j = item - n * row.threads.divisor;
  T* to = y + n * row.dim;
  if (j >= row.half) {
    to[row.dim - 1] = gpu::narrow<T>(0.0f);
    return;
  }
  const float exponent = gpu::mul_rn(static_cast<float>(j), -row.rate);
  const auto frequency = static_cast<float>(exp(static_cast<double>(exponent)));
  const float argument = gpu::mul_rn(gpu::widen(t[n]), frequency);
  to[j] = gpu::narrow<T>(sinf(argument));
  to[row.half + j] = gpu::narrow<T>(cosf(argument));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const int64_t dim = static_cast<const SinusoidalAttrs*>(attrs)->dim, half = dim / 2;
  const int64_t threads = half + dim % 2;
  const Row row{dim, static_cast<unsigned>(half), gpu::Divider(threads),
                static_cast<float>(std::log(10000.0) / static_cast<double>(half - 1))};
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    gpu::for_row_parts(x[0].numel(), threads, [&](int64_t first, int64_t count) {
      const int64_t items = count * threads;
      gpu::check(gpu::launch(embed_kernel<T>, gpu::blocks_for(items, gpu::kItemThreads),
                             gpu::kItemThreads, 0, launch.stream(), row,
                             static_cast<unsigned>(items), gpu::elements_of<T>(x[0]) + first,
                             gpu::elements_of<T>(y[0]) + first * dim));
    });
  });
}

}  // namespace

GpuKernels sinusoidal_embedding_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
