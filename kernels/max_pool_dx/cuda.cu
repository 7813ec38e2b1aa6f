// GPU kernels of max_pool_dx: the first notes, in a byte per window and channel, where in the
// window the largest key lies; in the second every pixel adds up, in the order of the windows, what
// those windows pass back that chose it. No atomics: the sum is the CPU's, bit for bit.
#include "kernels/max_pool/window.cuh"

namespace ito::ITO_GPU_NS {
namespace {

/// Places of V neighbouring channels, moved as one word.
template <int V>
struct alignas(V) Places {
  std::uint8_t v[V];
};

template <class T, int V>
KERNEL(gpu::kItemThreads)
place_kernel(gpu::PoolGrid g, unsigned items, const T* __restrict__ keys,
             Places<V>* __restrict__ places) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const gpu::PoolItem p(g, item);
  Places<V> chosen;
  gpu::walk_window<V>(g, p.row, p.column,
                      keys + (p.image * g.pixels * g.channels.divisor + p.channel) * V,
                      [&](std::size_t, int place, float, int v) {
                        chosen.v[v] = static_cast<std::uint8_t>(place);
                      });
  places[item] = chosen;
}

template <class T, int V>
KERNEL(gpu::kItemThreads)
collect_kernel(gpu::PoolGrid g, unsigned items, const T* __restrict__ gy,
               const Places<V>* __restrict__ places, T* __restrict__ gx) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const gpu::PoolItem p(g, item);
  const std::size_t base = p.image * g.windows * g.channels.divisor + p.channel;
  const IndexRange rows = g.rows.windows(p.row), columns = g.columns.windows(p.column);
  float sum[V] = {};
  for (int r = rows.begin; r < rows.end; ++r) {
    for (int s = columns.begin; s < columns.end; ++s) {
      const std::size_t at =
          base + (static_cast<std::size_t>(r) * static_cast<unsigned>(g.columns.out) +
                  static_cast<unsigned>(s)) *
                     g.channels.divisor;
      const int place = (p.row - g.rows.start(r)) * g.rows.kernel + (p.column - g.columns.start(s));
      const Places<V> chosen = places[at];
      float value[V];
      gpu::load_floats<V>(gy + at * V, value);
#pragma unroll
      for (int v = 0; v < V; ++v) {
        if (chosen.v[v] == place) sum[v] += value[v];
      }
    }
  }
  gpu::store_floats<V>(gx + static_cast<std::size_t>(item) * V, sum);
}

template <class T, int V>
void pool_dx(Launch& launch, const PoolGeometry& geometry, const Tensors& x, const Tensor& gx) {
  auto* places = launch.scratch<Places<V>>(geometry.windows().numel() / V);
  gpu::for_pool_parts(
      geometry, geometry.rows.out, geometry.columns.out, geometry.c / V,
      [&](const gpu::PoolGrid& g, int64_t first, unsigned items) {
        gpu::check(gpu::launch(place_kernel<T, V>, gpu::blocks_for(items, gpu::kItemThreads),
                               gpu::kItemThreads, 0, launch.stream(), g, items,
                               gpu::elements_of<T>(x[1]), places + first));
      });
  gpu::for_pool_parts(
      geometry, geometry.rows.in, geometry.columns.in, geometry.c / V,
      [&](const gpu::PoolGrid& g, int64_t first, unsigned items) {
        gpu::check(gpu::launch(collect_kernel<T, V>, gpu::blocks_for(items, gpu::kItemThreads),
                               gpu::kItemThreads, 0, launch.stream(), g, items,
                               gpu::elements_of<T>(x[0]), places,
                               gpu::elements_of<T>(gx) + first * V));
      });
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const PoolGeometry g = pool_geometry(x[1].shape(), *static_cast<const ops::MaxPoolAttrs*>(attrs));
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    if (g.c % kWide == 0 && gpu::aligned16(x[0].raw(), x[1].raw(), y[0].raw())) {
      pool_dx<T, kWide>(launch, g, x, y[0]);
    } else {
      pool_dx<T, 1>(launch, g, x, y[0]);
    }
  });
}

}  // namespace

GpuKernels max_pool_dx_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
