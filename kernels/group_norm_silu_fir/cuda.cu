// GPU kernels of group_norm_silu_fir. Forward: the statistics (one read of x), then one kernel of
// fir_resample/kernels.cuh whose reader makes two values of every number of x, itself and
// silu(norm(x)). So x is read once more, both outputs are written, and nothing else is stored.
// Backward: the filter's adjoint on both gradients, group_norm_silu's kernels, and a sum.
#include "kernels/fir_resample/gpu.h"
#include "kernels/fir_resample/kernels.cuh"
#include "kernels/fir_resample/plan.h"
#include "kernels/group_norm_silu/gpu.h"
#include "kernels/group_norm_silu_fir/op.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 256;

enum Input { kX, kW, kB };

/// Reader that makes silu((x - centre) scale + bias) and x.
template <class T, int V>
struct NormAndSame {
  struct Inputs {
    const T *w, *b;
    const float* stats;  ///< [N, G, 2]
    int groups;
  };
  static constexpr int kValues = 2 * V;

  float centre[V], scale[V], bias[V];

  DEV NormAndSame(const Inputs& in, const fir::Geometry& g, const fir::Place<V>& p) {
    const int per_group = g.channels / in.groups;
    const float* stats = in.stats + p.sample * static_cast<std::size_t>(in.groups) * 2;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const int c = static_cast<int>(p.channel) + i, group = c / per_group;
      centre[i] = stats[2 * group];
      scale[i] = gpu::widen(in.w[c]) * stats[2 * group + 1];
      bias[i] = gpu::widen(in.b[c]);
    }
  }
  DEV void operator()(const float (&pixel)[V], float (&values)[2 * V]) const {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      values[i] = activated(true, gpu::fma_rn(pixel[i] - centre[i], scale[i], bias[i]));
      values[V + i] = pixel[i];
    }
  }
};

/// to = a + b; null stands for zeros.
template <class T, int V>
KERNEL(kThreads)
sum_kernel(std::int64_t vectors, const T* a, const T* b, T* to) {
  const std::int64_t at =
      (static_cast<std::int64_t>(blockIdx.x) * kThreads + gpu::thread_rank()) * V;
  if (at >= vectors * V) return;
  float sum[V] = {}, other[V] = {};
  if (a != nullptr) gpu::load_floats<V>(a + at, sum);
  if (b != nullptr) gpu::load_floats<V>(b + at, other);
#pragma unroll
  for (int i = 0; i < V; ++i) sum[i] += other[i];
  gpu::store_floats<V>(to + at, sum);
}

template <class T>
void sum(Launch& launch, std::int64_t count, const T* a, const T* b, T* to) {
  if (count == 0) return;
  const auto run = [&]<int V>() {
    gpu::check(gpu::launch(sum_kernel<T, V>, gpu::blocks_for(count / V, kThreads), kThreads, 0,
                           launch.stream(), count / V, a, b, to));
  };
  constexpr int kVector = gpu::Pack<T>::kSize;
  if (count % kVector == 0 && gpu::aligned16(a, b, to)) return run.template operator()<kVector>();
  run.template operator()<1>();
}

ops::GroupNormAttrs norm_of(const ops::GroupNormFirAttrs& a) {
  return {.groups = a.groups, .eps = a.eps};
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::GroupNormFirAttrs*>(attrs);
  const Shape& shape = x[kX].shape();
  gpu::dispatch_element(x[kX].dtype(), [&]<class T>() {
    const T* image = gpu::elements_of<T>(x[kX]);
    float* stats = gpu::elements_of<float>(y[2]);
    group_norm_statistics_gpu<T>(launch, shape, norm_of(a), {.x = image, .stats = stats});
    const fir::Outputs<T> to{gpu::elements_of<T>(y[0]), gpu::elements_of<T>(y[1])};
    const auto run = [&]<int V>() {
      using Read = NormAndSame<T, V>;
      fir::run<T, V, Read>(
          launch, shape, y[0].shape(), a.fir, image, to,
          {gpu::elements_of<T>(x[kW]), gpu::elements_of<T>(x[kB]), stats, a.groups});
    };
    constexpr int kVector = gpu::Pack<T>::kSize;
    const bool aligned = gpu::aligned16(image, to.first, to.second);
    if (aligned && shape[3] % kVector == 0) return run.template operator()<kVector>();
    run.template operator()<1>();
  });
}

/// The adjoint of the filter on a gradient of shape [N, H', W', C], or zeros where there is none.
template <class T>
T* filtered_back(Launch& launch, const Tensor& gy, const Shape& x, const ops::FirAttrs& fir) {
  T* to = launch.scratch<T>(x.numel());
  if (gy) {
    fir_resample_gpu<T>(launch, gy.shape(), x, fir_adjoint(x, gy.shape(), fir),
                        gpu::elements_of<T>(gy), to);
  } else {
    sum<T>(launch, x.numel(), nullptr, nullptr, to);
  }
  return to;
}

/// gx = norm'(fir^T gy0) + fir^T gy1.
void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
              const Tensors& gx, const void* attrs) {
  const auto& a = *static_cast<const ops::GroupNormFirAttrs*>(attrs);
  const Shape& shape = x[kX].shape();
  gpu::dispatch_element(x[kX].dtype(), [&]<class T>() {
    const BackwardTensors<T> t{.gy = filtered_back<T>(launch, gy[0], shape, a.fir),
                               .x = gpu::elements_of<T>(x[kX]),
                               .w = gpu::elements_of<T>(x[kW]),
                               .b = gpu::elements_of<T>(x[kB]),
                               .stats = gpu::elements_of<float>(y[2]),
                               .gx = gpu::elements_of<T>(gx[kX]),
                               .gw = gpu::elements_of<T>(gx[kW]),
                               .gb = gpu::elements_of<T>(gx[kB])};
    group_norm_backward_gpu(launch, shape, norm_of(a), t);
    if (t.gx == nullptr || !gy[1]) return;
    const T* skip = filtered_back<T>(launch, gy[1], shape, a.fir);
    sum<T>(launch, shape.numel(), t.gx, skip, t.gx);
  });
}

bool handles(const Specs& inputs, const void* attrs) {
  return inputs[kX].dtype != DType::f64 &&
         fir::handles(static_cast<const ops::GroupNormFirAttrs*>(attrs)->fir);
}

}  // namespace

GpuKernels group_norm_silu_fir_kernels() {
  return {.forward = forward, .backward = backward, .handles = handles};
}

}  // namespace ito::ITO_GPU_NS
