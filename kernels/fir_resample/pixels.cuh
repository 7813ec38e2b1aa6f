// What the FIR kernels read and write: a reader's values of one pixel, with zeros outside of the
// image, and the pixels of one or two filtered images.
#pragma once

#include "kernels/fir_resample/geometry.cuh"

namespace ito::ITO_GPU_NS::fir {

/// What is filtered: a reader makes W values of the V channels of a pixel, image after image (W = V
/// for one image). This one takes the input as it is.
template <int V>
struct SameImage {
  struct Inputs {};
  static constexpr int kValues = V;

  DEV SameImage(const Inputs&, const Geometry&, const Place<V>&) {}
  DEV void operator()(const float (&pixel)[V], float (&values)[V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) values[i] = pixel[i];
  }
};

/// The values of a pixel, or 0 outside of the image; without a branch, so that many loads are under
/// way.
template <int V, int W, class Read, class T>
DEV void load_pixel(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                    int column, float (&value)[W]) {
  const bool inside = row >= 0 && row < g.y.in && column >= 0 && column < g.x.in;
  float pixel[V];
  gpu::load_floats<V>(x + (inside ? p.at(g, g.y.in, g.x.in, row, column) : 0), pixel);
  read(pixel, value);
#pragma unroll
  for (int i = 0; i < W; ++i) value[i] = inside ? value[i] : 0.0f;
}

/// sum += weight * pixel.
template <int V, int W, class Read, class T>
DEV void add_pixel(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                   int column, float weight, float (&sum)[W]) {
  float value[W];
  load_pixel(g, p, read, x, row, column, value);
#pragma unroll
  for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(weight, value[i], sum[i]);
}

/// Where the filtered images go; `second` is null where there is one.
template <class T>
struct Outputs {
  T *first, *second;
};

template <int V, int W, class T>
DEV void store_pixel(const Geometry& g, const Place<V>& p, const Outputs<T>& y, int row, int column,
                     const float (&value)[W]) {
  if (row < 0 || row >= g.y.out || column < 0 || column >= g.x.out) return;
  const std::size_t at = p.at(g, g.y.out, g.x.out, row, column);
#pragma unroll
  for (int image = 0; image < W / V; ++image) {
    float part[V];
#pragma unroll
    for (int i = 0; i < V; ++i) part[i] = value[image * V + i];
    gpu::store_floats<V>((image == 0 ? y.first : y.second) + at, part);
  }
}

}  // namespace ito::ITO_GPU_NS::fir
