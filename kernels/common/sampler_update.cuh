// What the GPU updates of samplers share: the tensors of affine_noise_step and langevin_step, which
// lie in the same order, the noise of a quad, and the update x' = a x + b score + c z.
#pragma once

#include "kernels/common/sample_quads.cuh"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

template <class T>
struct UpdateArguments {
  QuadGrid grid;
  const T *x, *score, *z;  ///< z may be null
  const double* table;
  const std::int64_t *row, *samples;
  T *next, *mean;
  std::int64_t rows;
  NoiseKey key;
  bool whole;
};

template <class T>
UpdateArguments<T> update_arguments(const Tensors& in, const Tensors& out, NoiseKey key) {
  enum Input { kX, kScore, kTable, kRow, kSamples, kZ };
  UpdateArguments<T> a{.grid = quad_grid(in[kX]),
                       .x = elements_of<T>(in[kX]),
                       .score = elements_of<T>(in[kScore]),
                       .z = elements_of<T>(in[kZ]),
                       .table = elements_of<double>(in[kTable]),
                       .row = elements_of<std::int64_t>(in[kRow]),
                       .samples = elements_of<std::int64_t>(in[kSamples]),
                       .next = elements_of<T>(out[0]),
                       .mean = elements_of<T>(out[1]),
                       .rows = in[kTable].size(0),
                       .key = key};
  a.whole = whole_quads(a.grid.elements, a.x, a.score, a.z, a.next, a.mean);
  return a;
}

/// The given noise of a quad, or what its counter says. 0 beyond the sample's end.
template <class T>
DEV F32x4 noise_of(const UpdateArguments<T>& a, const QuadPlace& p) {
  F32x4 noise{};
  if (p.count == 0) return noise;
  if (a.z != nullptr) {
    const Quad<T> z = load_quad(a.z + p.at, p.count, a.whole);
    for (unsigned i = 0; i < kQuad; ++i) noise.v[i] = widen(z.v[i]);
    return noise;
  }
  NoiseKey key = a.key;
  key.step += static_cast<std::uint32_t>(a.row[0]);
  noise = normal_quad(key, a.samples[p.sample], p.block);
  for (unsigned i = p.count; i < kQuad; ++i) noise.v[i] = 0;
  return noise;
}

/// mean = fma(b, score, a x) and next = fma(c, noise, mean), of one quad.
template <class T>
DEV void update_quad(const UpdateArguments<T>& a, const QuadPlace& p, float of_x, float of_score,
                     float of_noise) {
  const Quad<T> x = load_quad(a.x + p.at, p.count, a.whole);
  const Quad<T> s = load_quad(a.score + p.at, p.count, a.whole);
  const F32x4 noise = noise_of(a, p);
  Quad<T> next, mean;
#pragma unroll
  for (unsigned i = 0; i < kQuad; ++i) {
    const float m = fma_rn(of_score, widen(s.v[i]), mul_rn(of_x, widen(x.v[i])));
    mean.v[i] = narrow<T>(m);
    next.v[i] = narrow<T>(fma_rn(of_noise, noise.v[i], m));
  }
  store_quad(a.mean + p.at, mean, p.count, a.whole);
  store_quad(a.next + p.at, next, p.count, a.whole);
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
