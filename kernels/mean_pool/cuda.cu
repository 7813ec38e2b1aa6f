// GPU kernel of mean_pool: a thread makes V neighbouring channels of one pixel, adding the k x k
// values in the CPU's order.
#include "kernels/common/index_space.cuh"
#include "kernels/mean_pool/params.h"

namespace ito::ITO_GPU_NS {
namespace {

/// Sizes of y; row and channels in items of V values.
struct Image {
  unsigned k;
  gpu::Divider row, channels;
  float scale;
};

template <class T, int V>
KERNEL(gpu::kItemThreads)
pool_kernel(Image image, unsigned items, const T* __restrict__ x, T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned row = image.row.quotient(item), in_row = item - row * image.row.divisor;
  const unsigned channels = image.channels.divisor, pixel = image.channels.quotient(in_row);
  const std::size_t k = image.k, long_row = image.row.divisor * k;
  const T* from = x + (row * k * long_row + pixel * k * channels + (in_row - pixel * channels)) * V;
  float sum[V] = {};
  for (unsigned i = 0; i < image.k; ++i) {
    for (unsigned j = 0; j < image.k; ++j) {
      float value[V];
      gpu::load_floats<V>(from + (i * long_row + j * channels) * V, value);
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] += value[v];
    }
  }
#pragma unroll
  for (int v = 0; v < V; ++v) sum[v] = gpu::mul_rn(sum[v], image.scale);
  gpu::store_floats<V>(y + static_cast<std::size_t>(item) * V, sum);
}

template <class T, int V>
void pool(Launch& launch, const Tensor& x, const Tensor& y, int64_t k) {
  const Shape& shape = y.shape();
  const int64_t channels = shape[3] / V, row = shape[2] * channels;
  const Image image{static_cast<unsigned>(k), gpu::Divider(row), gpu::Divider(channels),
                    1.0f / static_cast<float>(k * k)};
  gpu::for_row_parts(shape[0] * shape[1], row, [&](int64_t first, int64_t count) {
    const int64_t items = count * row;
    gpu::check(gpu::launch(pool_kernel<T, V>, gpu::blocks_for(items, gpu::kItemThreads),
                           gpu::kItemThreads, 0, launch.stream(), image,
                           static_cast<unsigned>(items),
                           gpu::elements_of<T>(x) + first * row * V * k * k,
                           gpu::elements_of<T>(y) + first * row * V));
  });
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const int64_t k = static_cast<const MeanPoolAttrs*>(attrs)->k;
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    if (y[0].size(3) % kWide == 0 && gpu::aligned16(x[0].raw(), y[0].raw())) {
      pool<T, kWide>(launch, x[0], y[0], k);
    } else {
      pool<T, 1>(launch, x[0], y[0], k);
    }
  });
}

}  // namespace

GpuKernels mean_pool_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
