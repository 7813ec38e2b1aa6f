// GPU kernel of noise: a thread makes one Philox block, four neighbours of one sample, and writes
// them at once. Nothing is read but the sample's index.
#include "kernels/common/sample_quads.cuh"
#include "kernels/noise/op.h"

namespace ito::ITO_GPU_NS {
namespace {

/// Made in fp32, then converted.
template <class T>
DEV T converted(float value) {
  if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return gpu::narrow<T>(value);
  }
}

DEV F32x4 noise_quad(ops::NoiseKind kind, NoiseKey key, std::int64_t sample, unsigned block) {
  if (kind == ops::NoiseKind::normal || !gpu::is_counter(sample)) {
    return gpu::normal_quad(key, sample, block);
  }
  const U32x4 bits = noise_bits(key, static_cast<std::uint32_t>(sample), block);
  return kind == ops::NoiseKind::uniform ? uniform4(bits) : rademacher4(bits);
}

template <class T>
KERNEL(gpu::kQuadThreads)
noise_kernel(gpu::QuadGrid grid, ops::NoiseKind kind, NoiseKey key,
             const std::int64_t* __restrict__ samples, T* __restrict__ y, bool whole) {
  const gpu::QuadPlace p(grid);
  if (p.count == 0) return;
  const F32x4 value = noise_quad(kind, key, samples[p.sample], p.block);
  gpu::Quad<T> q;
#pragma unroll
  for (unsigned i = 0; i < gpu::kQuad; ++i) q.v[i] = converted<T>(value.v[i]);
  gpu::store_quad(y + p.at, q, p.count, whole);
}

template <class T>
void fill(Launch& launch, const Tensor& samples, const Tensor& y, const ops::NoiseAttrs& a) {
  const gpu::QuadGrid grid = gpu::quad_grid(y);
  T* to = gpu::elements_of<T>(y);
  gpu::launch_quads(launch, grid, noise_kernel<T>, grid, a.kind, a.key,
                    gpu::elements_of<std::int64_t>(samples), to,
                    gpu::whole_quads(grid.elements, to));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::NoiseAttrs*>(attrs);
  if (a.dtype == DType::f64) return fill<double>(launch, x[0], y[0], a);
  gpu::dispatch_element(a.dtype, [&]<class T>() { fill<T>(launch, x[0], y[0], a); });
}

}  // namespace

GpuKernels noise_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
