// GPU kernel of bilinear_resize and its adjoint: a thread makes V neighbouring channels of one
// output pixel from the few input pixels that it sees (four in an interpolation), in the CPU's
// order. Neighbouring threads read neighbouring channels; pixels shared by outputs come from the
// caches.
#include "kernels/bilinear_resize/params.h"
#include "kernels/common/index_space.cuh"

namespace ito::ITO_GPU_NS {
namespace {

/// Sizes of x and y; channels in items of V values.
struct Resize {
  ResizeAxis rows, columns;
  gpu::Divider channels, width, height;  ///< of y
  unsigned x_row, first_row;             ///< items in a row of x; rows of y in earlier launches
  std::size_t x_image;                   ///< items in an image of x
};

template <class T, int V>
KERNEL(gpu::kItemThreads)
resize_kernel(Resize g, unsigned items, const T* __restrict__ x, T* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned pixel = g.channels.quotient(item), c = item - pixel * g.channels.divisor;
  const unsigned line = g.width.quotient(pixel);
  const int s = static_cast<int>(pixel - line * g.width.divisor);
  const unsigned row = g.first_row + line, image = g.height.quotient(row);
  const int r = static_cast<int>(row - image * g.height.divisor);
  const T* from = x + (image * g.x_image + c) * V;
  const ResizeAxis::Taps rows = g.rows.taps(r), columns = g.columns.taps(s);
  float sum[V] = {};
  for (int i = rows.begin; i < rows.end; ++i) {
    const float above =
        gpu::div_rn(static_cast<float>(g.rows.weight(r, i)), static_cast<float>(g.rows.span));
    for (int j = columns.begin; j < columns.end; ++j) {
      const float beside = gpu::div_rn(static_cast<float>(g.columns.weight(s, j)),
                                       static_cast<float>(g.columns.span));
      const float weight = gpu::mul_rn(above, beside);
      float value[V];
      gpu::load_floats<V>(from + (static_cast<std::size_t>(i) * g.x_row +
                                  static_cast<unsigned>(j) * g.channels.divisor) *
                                     V,
                          value);
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] = gpu::fma_rn(weight, value[v], sum[v]);
    }
  }
  gpu::store_floats<V>(y + static_cast<std::size_t>(item) * V, sum);
}

template <class T, int V>
void resize(Launch& launch, const Tensor& x, const Tensor& y, const ops::ResizeAttrs& a) {
  const Shape &in = x.shape(), &out = y.shape();
  const int64_t channels = out[3] / V, row = out[2] * channels;
  Resize g{.rows = resize_axis(in[1], out[1], a.map),
           .columns = resize_axis(in[2], out[2], a.map),
           .channels = gpu::Divider(channels),
           .width = gpu::Divider(out[2]),
           .height = gpu::Divider(out[1]),
           .x_row = static_cast<unsigned>(in[2] * channels),
           .first_row = 0,
           .x_image = static_cast<std::size_t>(in[1] * in[2] * channels)};
  ITO_CHECK(out[0] * out[1] <= gpu::kMaxItems, ShapeError, "too many rows for a kernel",
            kv("y", out));
  gpu::for_row_parts(out[0] * out[1], row, [&](int64_t first, int64_t count) {
    g.first_row = static_cast<unsigned>(first);
    const int64_t items = count * row;
    gpu::check(gpu::launch(resize_kernel<T, V>, gpu::blocks_for(items, gpu::kItemThreads),
                           gpu::kItemThreads, 0, launch.stream(), g, static_cast<unsigned>(items),
                           gpu::elements_of<T>(x), gpu::elements_of<T>(y) + first * row * V));
  });
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::ResizeAttrs*>(attrs);
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kWide = gpu::Pack<T>::kSize;
    if (y[0].size(3) % kWide == 0 && gpu::aligned16(x[0].raw(), y[0].raw())) {
      resize<T, kWide>(launch, x[0], y[0], a);
    } else {
      resize<T, 1>(launch, x[0], y[0], a);
    }
  });
}

}  // namespace

GpuKernels bilinear_resize_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
