// GPU kernel of affine_noise_step: a thread makes the noise of four neighbours and updates them;
// two reads and two writes per element. A row or sample index out of range gives NaN.
#include "kernels/affine_noise_step/op.h"
#include "kernels/common/sampler_update.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class T>
KERNEL(gpu::kQuadThreads)
step_kernel(gpu::UpdateArguments<T> a) {
  const gpu::QuadPlace p(a.grid);
  if (p.count == 0) return;
  const std::int64_t row = a.row[0];
  const bool valid = row >= 0 && row < a.rows;
  const double* k = a.table + (valid ? 3 * row : 0);
  gpu::update_quad(a, p, valid ? static_cast<float>(k[0]) : gpu::quiet_nan(),
                   static_cast<float>(k[1]), static_cast<float>(k[2]));
}

void forward(Launch& launch, const Tensors& in, const Tensors& out, const void* attrs) {
  if (in[0].numel() == 0) return;
  const NoiseKey key = static_cast<const ops::AffineNoiseAttrs*>(attrs)->key;
  gpu::dispatch_element(in[0].dtype(), [&]<class T>() {
    const auto a = gpu::update_arguments<T>(in, out, key);
    gpu::launch_quads(launch, a.grid, step_kernel<T>, a);
  });
}

/// The table is always f64; the state decides.
bool handles(const Specs& inputs, const void*) { return inputs[0].dtype != DType::f64; }

}  // namespace

GpuKernels affine_noise_step_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
