// GPU kernel of affine_noise_step: a thread makes the noise of four neighbours and updates them;
// two reads and two writes per element. A row or sample index out of range gives NaN.
#include "kernels/affine_noise_step/op.h"
#include "kernels/common/sample_quads.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class T>
struct StepArguments {
  gpu::QuadGrid grid;
  const T *x, *score, *z;  ///< z may be null
  const double* table;
  const std::int64_t *row, *samples;
  T *next, *mean;
  std::int64_t rows;
  NoiseKey key;
  bool whole;
};

template <class T>
KERNEL(gpu::kQuadThreads)
step_kernel(StepArguments<T> a) {
  const gpu::QuadPlace p(a.grid);
  if (p.count == 0) return;
  const std::int64_t row = a.row[0];
  const bool valid = row >= 0 && row < a.rows;
  const double* k = a.table + (valid ? 3 * row : 0);
  const float ka = valid ? static_cast<float>(k[0]) : gpu::quiet_nan();
  const float kb = static_cast<float>(k[1]), kc = static_cast<float>(k[2]);
  a.key.step += static_cast<std::uint32_t>(row);
  const gpu::Quad<T> x = gpu::load_quad(a.x + p.at, p.count, a.whole);
  const gpu::Quad<T> s = gpu::load_quad(a.score + p.at, p.count, a.whole);
  F32x4 noise;
  if (a.z != nullptr) {
    const gpu::Quad<T> z = gpu::load_quad(a.z + p.at, p.count, a.whole);
    for (unsigned i = 0; i < gpu::kQuad; ++i) noise.v[i] = gpu::widen(z.v[i]);
  } else {
    noise = gpu::normal_quad(a.key, a.samples[p.sample], p.block);
  }
  gpu::Quad<T> next, mean;
#pragma unroll
  for (unsigned i = 0; i < gpu::kQuad; ++i) {
    const float m = gpu::fma_rn(kb, gpu::widen(s.v[i]), gpu::mul_rn(ka, gpu::widen(x.v[i])));
    mean.v[i] = gpu::narrow<T>(m);
    next.v[i] = gpu::narrow<T>(gpu::fma_rn(kc, noise.v[i], m));
  }
  gpu::store_quad(a.mean + p.at, mean, p.count, a.whole);
  gpu::store_quad(a.next + p.at, next, p.count, a.whole);
}

enum Input { kX, kScore, kTable, kRow, kSamples, kZ };

void forward(Launch& launch, const Tensors& in, const Tensors& out, const void* attrs) {
  if (in[kX].numel() == 0) return;
  const NoiseKey key = static_cast<const ops::AffineNoiseAttrs*>(attrs)->key;
  gpu::dispatch_element(in[kX].dtype(), [&]<class T>() {
    StepArguments<T> a{.grid = gpu::quad_grid(in[kX]),
                       .x = gpu::elements_of<T>(in[kX]),
                       .score = gpu::elements_of<T>(in[kScore]),
                       .z = gpu::elements_of<T>(in[kZ]),
                       .table = gpu::elements_of<double>(in[kTable]),
                       .row = gpu::elements_of<std::int64_t>(in[kRow]),
                       .samples = gpu::elements_of<std::int64_t>(in[kSamples]),
                       .next = gpu::elements_of<T>(out[0]),
                       .mean = gpu::elements_of<T>(out[1]),
                       .rows = in[kTable].size(0),
                       .key = key};
    a.whole = gpu::whole_quads(a.grid.elements, a.x, a.score, a.z, a.next, a.mean);
    gpu::launch_quads(launch, a.grid, step_kernel<T>, a);
  });
}

/// The table is always f64; the state decides.
bool handles(const Specs& inputs, const void*) { return inputs[kX].dtype != DType::f64; }

}  // namespace

GpuKernels affine_noise_step_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
