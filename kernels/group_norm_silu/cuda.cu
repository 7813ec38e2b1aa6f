// GPU kernels of group_norm_silu. Images of which a block can hold some groups go through shared
// memory once (one_pass.cuh); larger ones are cut into slabs of pixels and read twice (split.cuh).
// The choice depends on the shape of a sample alone, so that its result is the same in any batch.
#include "kernels/group_norm_silu/gpu.h"
#include "kernels/group_norm_silu/one_pass_backward.cuh"
#include "kernels/group_norm_silu/one_pass_forward.cuh"
#include "kernels/group_norm_silu/split_backward.cuh"
#include "kernels/group_norm_silu/split_forward.cuh"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 256;

/// gw and gb, one thread per channel, samples in order.
template <class T>
KERNEL(kThreads)
parameters_kernel(int samples, int channels, const float* __restrict__ totals, T* __restrict__ gw,
                  T* __restrict__ gb) {
  const int c = static_cast<int>(blockIdx.x) * kThreads + gpu::thread_rank();
  if (c >= channels) return;
  float dz = 0, dz_xhat = 0;
  for (int n = 0; n < samples; ++n) {
    dz += totals[static_cast<std::size_t>(n) * 2 * channels + c];
    dz_xhat += totals[static_cast<std::size_t>(n) * 2 * channels + channels + c];
  }
  if (gb != nullptr) gb[c] = gpu::narrow<T>(dz);
  if (gw != nullptr) gw[c] = gpu::narrow<T>(dz_xhat);
}

enum Input { kX, kW, kB, kShift, kSamples };

/// Calls f.template operator()<V>(): 16-byte access where every pixel starts on a multiple of 16
/// bytes.
template <class T, class F>
void dispatch_vector(std::int64_t channels, bool aligned, F&& f) {
  constexpr int kVector = gpu::Pack<T>::kSize;
  if (aligned && channels % kVector == 0) return f.template operator()<kVector>();
  f.template operator()<1>();
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (x[kX].numel() == 0) return;
  const auto& a = *static_cast<const ops::GroupNormAttrs*>(attrs);
  const Shape& shape = x[kX].shape();
  gpu::dispatch_element(x[kX].dtype(), [&]<class T>() {
    const ForwardTensors<T> t{.x = gpu::elements_of<T>(x[kX]),
                              .w = gpu::elements_of<T>(x[kW]),
                              .b = gpu::elements_of<T>(x[kB]),
                              .shift = gpu::elements_of<T>(x[kShift]),
                              .y = gpu::elements_of<T>(y[0]),
                              .stats = gpu::elements_of<float>(y[1]),
                              .mask = mask_of(a, x[kSamples])};
    dispatch_vector<T>(shape[-1], gpu::aligned16(t.x, t.y), [&]<int V>() {
      const int width = one_pass::slice_width(shape, a.groups, V, sizeof(T), 1);
      if (width == 0) return split::run_forward<T, V>(launch, shape, a, t);
      one_pass::run_forward<T, V>(launch, shape, one_pass::geometry_of(shape, a, V, width), t);
    });
  });
}

void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
              const Tensors& gx, const void* attrs) {
  const auto& a = *static_cast<const ops::GroupNormAttrs*>(attrs);
  gpu::dispatch_element(x[kX].dtype(), [&]<class T>() {
    const BackwardTensors<T> t{.gy = gpu::elements_of<T>(gy[0]),
                               .x = gpu::elements_of<T>(x[kX]),
                               .w = gpu::elements_of<T>(x[kW]),
                               .b = gpu::elements_of<T>(x[kB]),
                               .shift = gpu::elements_of<T>(x[kShift]),
                               .stats = gpu::elements_of<float>(y[1]),
                               .gx = gpu::elements_of<T>(gx[kX]),
                               .gw = gpu::elements_of<T>(gx[kW]),
                               .gb = gpu::elements_of<T>(gx[kB]),
                               .gshift = gpu::elements_of<T>(gx[kShift]),
                               .mask = mask_of(a, x[kSamples])};
    group_norm_backward_gpu(launch, x[kX].shape(), a, t);
  });
}

}  // namespace

template <class T>
void group_norm_statistics_gpu(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                               const ForwardTensors<T>& t) {
  dispatch_vector<T>(shape[-1], gpu::aligned16(t.x),
                     [&]<int V>() { split::run_statistics<T, V>(launch, shape, attrs, t); });
}

template <class T>
void group_norm_backward_gpu(Launch& launch, const Shape& shape, const ops::GroupNormAttrs& attrs,
                             BackwardTensors<T> t) {
  const std::int64_t samples = shape[0], channels = shape[-1];
  t.totals = launch.scratch<float>(samples * 2 * channels);
  if (samples > 0) {
    dispatch_vector<T>(channels, gpu::aligned16(t.gy, t.x, t.gx), [&]<int V>() {
      const int width = one_pass::slice_width(shape, attrs.groups, V, sizeof(T), 2);
      if (width == 0) return split::run_backward<T, V>(launch, shape, attrs, t);
      one_pass::run_backward<T, V>(launch, shape, one_pass::geometry_of(shape, attrs, V, width), t);
    });
  }
  gpu::check(gpu::launch(parameters_kernel<T>, gpu::blocks_for(channels, kThreads), kThreads, 0,
                         launch.stream(), static_cast<int>(samples), static_cast<int>(channels),
                         t.totals, t.gw, t.gb));
}

template void group_norm_statistics_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                        const ForwardTensors<float>&);
template void group_norm_statistics_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                        const ForwardTensors<gpu::Bf16Bits>&);
template void group_norm_backward_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                      BackwardTensors<float>);
template void group_norm_backward_gpu(Launch&, const Shape&, const ops::GroupNormAttrs&,
                                      BackwardTensors<gpu::Bf16Bits>);

GpuKernels group_norm_silu_kernels() { return {.forward = forward, .backward = backward}; }

}  // namespace ito::ITO_GPU_NS
