// GPU kernel of perturb: a thread makes the noise of four neighbours and adds it to the data;
// x_t = fma(std, z, mean x0) rounded as on the CPU. One read and two writes per element.
#include "kernels/common/sample_quads.cuh"
#include "kernels/perturb/op.h"

namespace ito::ITO_GPU_NS {
namespace {

/// One number per sample, of any floating dtype.
struct Scales {
  const void* data;
  DType dtype;

  DEV float at(unsigned i) const {
    switch (dtype) {
      case DType::f64:
        return static_cast<float>(static_cast<const double*>(data)[i]);
      case DType::bf16:
        return gpu::widen(static_cast<const gpu::Bf16Bits*>(data)[i]);
      default:
        return static_cast<const float*>(data)[i];
    }
  }
};

template <class T>
struct PerturbArguments {
  gpu::QuadGrid grid;
  const T* x0;
  Scales mean, std;
  const std::int64_t* samples;
  T *x_t, *z;
  NoiseKey key;
  bool whole;
};

template <class T>
KERNEL(gpu::kQuadThreads)
perturb_kernel(PerturbArguments<T> a) {
  const gpu::QuadPlace p(a.grid);
  if (p.count == 0) return;
  const gpu::Quad<T> x0 = gpu::load_quad(a.x0 + p.at, p.count, a.whole);
  const F32x4 noise = gpu::normal_quad(a.key, a.samples[p.sample], p.block);
  const float mean = a.mean.at(p.sample), std = a.std.at(p.sample);
  gpu::Quad<T> x_t, z;
#pragma unroll
  for (unsigned i = 0; i < gpu::kQuad; ++i) {
    const float scaled = gpu::mul_rn(mean, gpu::widen(x0.v[i]));
    x_t.v[i] = gpu::narrow<T>(gpu::fma_rn(std, noise.v[i], scaled));
    z.v[i] = gpu::narrow<T>(noise.v[i]);
  }
  gpu::store_quad(a.x_t + p.at, x_t, p.count, a.whole);
  gpu::store_quad(a.z + p.at, z, p.count, a.whole);
}

enum Input { kX0, kMean, kStd, kSamples };

void forward(Launch& launch, const Tensors& in, const Tensors& out, const void* attrs) {
  if (in[kX0].numel() == 0) return;
  const NoiseKey key = *static_cast<const NoiseKey*>(attrs);
  gpu::dispatch_element(in[kX0].dtype(), [&]<class T>() {
    PerturbArguments<T> a{.grid = gpu::quad_grid(in[kX0]),
                          .x0 = gpu::elements_of<T>(in[kX0]),
                          .mean = {in[kMean].raw(), in[kMean].dtype()},
                          .std = {in[kStd].raw(), in[kStd].dtype()},
                          .samples = gpu::elements_of<std::int64_t>(in[kSamples]),
                          .x_t = gpu::elements_of<T>(out[0]),
                          .z = gpu::elements_of<T>(out[1]),
                          .key = key};
    a.whole = gpu::whole_quads(a.grid.elements, a.x0, a.x_t, a.z);
    gpu::launch_quads(launch, a.grid, perturb_kernel<T>, a);
  });
}

/// Scales may be f64; the data decide.
bool handles(const Specs& inputs, const void*) { return inputs[kX0].dtype != DType::f64; }

}  // namespace

GpuKernels perturb_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
