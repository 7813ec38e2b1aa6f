// GPU kernel of max_pool: a thread walks the window of V neighbouring channels. A pixel is read by
// up to kernel^2 threads that lie close together: from memory once, then from the caches.
#include "kernels/max_pool/window.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class T, int V>
KERNEL(gpu::kItemThreads)
max_kernel(gpu::PoolGrid g, unsigned items, const T* __restrict__ x, T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const gpu::PoolItem p(g, item);
  float largest[V];
  gpu::walk_window<V>(g, p.row, p.column,
                      x + (p.image * g.pixels * g.channels.divisor + p.channel) * V,
                      [&](std::size_t, int, float key, int v) { largest[v] = key; });
  gpu::store_floats<V>(y + static_cast<std::size_t>(item) * V, largest);
}

/// With keys, which only derivatives of derivatives have: x is read at the chosen pixels alone.
template <class T, int V>
KERNEL(gpu::kItemThreads)
pick_kernel(gpu::PoolGrid g, unsigned items, const T* __restrict__ x, const T* __restrict__ keys,
            T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const gpu::PoolItem p(g, item);
  const std::size_t base = p.image * g.pixels * g.channels.divisor + p.channel;
  std::size_t chosen[V];
  gpu::walk_window<V>(g, p.row, p.column, keys + base * V,
                      [&](std::size_t at, int, float, int v) { chosen[v] = at; });
  T* to = y + static_cast<std::size_t>(item) * V;
#pragma unroll
  for (int v = 0; v < V; ++v) to[v] = x[(base + chosen[v]) * V + static_cast<std::size_t>(v)];
}

template <class T, int V>
void pool(Launch& launch, const PoolGeometry& geometry, const Tensors& x, const Tensor& y) {
  gpu::for_pool_parts(
      geometry, geometry.rows.out, geometry.columns.out, geometry.c / V,
      [&](const gpu::PoolGrid& g, int64_t first, unsigned items) {
        const unsigned blocks = gpu::blocks_for(items, gpu::kItemThreads);
        T* to = gpu::elements_of<T>(y) + first * V;
        const T *from = gpu::elements_of<T>(x[0]), *keys = gpu::elements_of<T>(x[1]);
        gpu::check(keys == nullptr ? gpu::launch(max_kernel<T, V>, blocks, gpu::kItemThreads, 0,
                                                 launch.stream(), g, items, from, to)
                                   : gpu::launch(pick_kernel<T, V>, blocks, gpu::kItemThreads, 0,
                                                 launch.stream(), g, items, from, keys, to));
      });
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const PoolGeometry g = pool_geometry(x[0].shape(), *static_cast<const ops::MaxPoolAttrs*>(attrs));
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    const void* keys = x[1] ? x[1].raw() : nullptr;
    if (g.c % kWide == 0 && gpu::aligned16(x[0].raw(), keys, y[0].raw())) {
      pool<T, kWide>(launch, g, x, y[0]);
    } else {
      pool<T, 1>(launch, g, x, y[0]);
    }
  });
}

}  // namespace

GpuKernels max_pool_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
