// Kernels that filter images as fir_resample does, or several images made of one (a reader says
// how). A thread owns V neighbouring channels (16 bytes) of one column and walks down a strip of
// rows. Rows filtered along x stay in registers for as long as the filter along y needs them, so a
// row is fetched once; the columns that neighbouring threads share come from the first cache.
// Strips are short enough to fill the chip; no result depends on their length.
//
// Four taps with a factor of 2 (the filter of Karras et al. 2020 and its adjoint) have kernels of
// their own:
//  - up: two outputs share their inputs n and n - 1, with taps (r0, r2) and (r1, r3);
//  - down: a window of four rows that moves by two.
// Everything else takes the sum of op.h term by term.
#pragma once

#include "kernels/fir_resample/pixels.cuh"

namespace ito::ITO_GPU_NS::fir {

DEV int floor_div(int a, int b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Both outputs of column pair `newest` in one input row.
template <int V, int W, class Read, class T>
DEV void widen_row(const Geometry& g, const Place<V>& p, const Read& read, const T* x, int row,
                   int newest, float (&pair)[2][W]) {
  float value[2][W];  // of the newer and the older column
#pragma unroll
  for (int k = 0; k < 2; ++k) load_pixel(g, p, read, x, row, newest - k, value[k]);
#pragma unroll
  for (int phase = 0; phase < 2; ++phase) {
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float older = gpu::mul_rn(g.taps[phase + 2], value[1][i]);
      pair[phase][i] = gpu::fma_rn(g.taps[phase], value[0][i], older);
    }
  }
}

/// up = 2, down = 1, four taps: rows and columns count the newest inputs of output pairs.
template <class T, int V, class Read>
KERNEL(kThreads)
up2_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int first_y = floor_div(g.y.origin, 2);
  const int newest_x = floor_div(g.x.origin, 2) + p.column;
  float older[2][W], newer[2][W];
  widen_row(g, p, read, x, first_y + p.first - 1, newest_x, older);
  for (int row = p.first; row < p.end; ++row) {
    const int newest_y = first_y + row;
    widen_row(g, p, read, x, newest_y, newest_x, newer);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int phase_y = k / 2, phase_x = k % 2;
      float value[W];
#pragma unroll
      for (int i = 0; i < W; ++i) {
        value[i] = gpu::fma_rn(g.taps[phase_y], newer[phase_x][i],
                               gpu::mul_rn(g.taps[phase_y + 2], older[phase_x][i]));
      }
      store_pixel(g, p, y, 2 * newest_y - g.y.origin + phase_y, 2 * newest_x - g.x.origin + phase_x,
                  value);
    }
#pragma unroll
    for (int i = 0; i < 2 * W; ++i) older[i / W][i % W] = newer[i / W][i % W];
  }
}

/// up = 1, down = 2, four taps.
template <class T, int V, class Read>
KERNEL(kThreads)
down2_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int newest_x = 2 * p.column + g.x.origin;
  float window[4][W];  // rows filtered along x, the oldest first
  const auto filter_row = [&](int row, float(&sum)[W]) {
#pragma unroll
    for (int i = 0; i < W; ++i) sum[i] = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) add_pixel(g, p, read, x, row, newest_x - k, g.taps[k], sum);
  };
  const int first_newest = 2 * p.first + g.y.origin;
  filter_row(first_newest - 3, window[2]);
  filter_row(first_newest - 2, window[3]);
  for (int row = p.first; row < p.end; ++row) {
    const int newest_y = 2 * row + g.y.origin;
#pragma unroll
    for (int i = 0; i < 2 * W; ++i) window[i / W][i % W] = window[2 + i / W][i % W];
    filter_row(newest_y - 1, window[2]);
    filter_row(newest_y, window[3]);
    float sum[W] = {};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(g.taps[3 - k], window[k][i], sum[i]);
    }
    store_pixel(g, p, y, row, p.column, sum);
  }
}

/// Any factors and taps; a thread makes single outputs.
template <class T, int V, class Read>
KERNEL(kThreads)
any_kernel(Geometry g, const T* __restrict__ x, Outputs<T> y, typename Read::Inputs inputs) {
  constexpr int W = Read::kValues;
  const Place<V> p(g);
  if (!p.inside) return;
  const Read read(inputs, g, p);
  const int origin_x = p.column * g.down + g.x.origin;
  const int newest_x = floor_div(origin_x, g.up);
  for (int row = p.first; row < p.end; ++row) {
    const int origin_y = row * g.down + g.y.origin;
    const int newest_y = floor_div(origin_y, g.up);
    float sum[W] = {};
    for (int ky = origin_y - newest_y * g.up, iy = newest_y; ky < g.count; ky += g.up, --iy) {
      float line[W] = {};
      for (int kx = origin_x - newest_x * g.up, ix = newest_x; kx < g.count; kx += g.up, --ix) {
        add_pixel(g, p, read, x, iy, ix, g.taps[kx], line);
      }
#pragma unroll
      for (int i = 0; i < W; ++i) sum[i] = gpu::fma_rn(g.taps[ky], line[i], sum[i]);
    }
    store_pixel(g, p, y, row, p.column, sum);
  }
}

/// Filters x of shape `from` into images of shape `to`.
template <class T, int V, class Read>
void run(Launch& launch, const Shape& from, const Shape& to, const ops::FirAttrs& a, const T* x,
         Outputs<T> y, const typename Read::Inputs& inputs) {
  const Path path = path_of(a);
  const Geometry g = geometry_of(from, to, a, path, V);
  const auto kernel = path == Path::up2     ? up2_kernel<T, V, Read>
                      : path == Path::down2 ? down2_kernel<T, V, Read>
                                            : any_kernel<T, V, Read>;
  const auto blocks = static_cast<unsigned>(from[0] * g.tiles * g.strips);
  gpu::check(gpu::launch(kernel, blocks, kThreads, 0, launch.stream(), g, x, y, inputs));
}

}  // namespace ito::ITO_GPU_NS::fir
