// GPU kernels of adam_ema_step: the norm of the gradient, which stays on the device, then one pass
// over the arenas (5 reads, 4 writes per parameter). Bits are those of the CPU: the norm is added
// up in its order (op.cpp), and every operation is rounded by itself.
#include <cmath>

#include "kernels/adam_ema_step/op.h"
#include "kernels/common/sample_quads.cuh"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kChunk = 1 << 13;     // as on the CPU
constexpr int kLanes = 16;          // as on the CPU
constexpr int kChunkThreads = 64;   // small blocks spread the few chunks over the chip
constexpr int kUnrolled = 32;       // loads under way per thread
constexpr int kTotalThreads = 256;  // as on the CPU
constexpr int kUpdateThreads = 256;
constexpr float kNoUpdate = -1;  // in the place of the gradient's factor

/// Squares of each chunk in double, 16 threads per chunk: partial [chunks].
template <class T>
KERNEL(kChunkThreads)
chunks_kernel(std::int64_t n, const T* __restrict__ g, double* __restrict__ partial) {
  const int lane = gpu::thread_rank() % kLanes;
  const std::int64_t chunk = static_cast<std::int64_t>(blockIdx.x) * (kChunkThreads / kLanes) +
                             gpu::thread_rank() / kLanes;
  const std::int64_t first = chunk * kChunk;
  const int count = first >= n ? 0 : static_cast<int>(n - first < kChunk ? n - first : kChunk);
  const T* from = g + (count > 0 ? first : 0);
  double sum = 0;
  const auto add = [&](float value) {
    sum = gpu::fma_rn(static_cast<double>(value), static_cast<double>(value), sum);
  };
  int i = lane;
  for (; i + (kUnrolled - 1) * kLanes < count; i += kUnrolled * kLanes) {
    float value[kUnrolled];
#pragma unroll
    for (int j = 0; j < kUnrolled; ++j) value[j] = gpu::widen(from[i + j * kLanes]);
#pragma unroll
    for (int j = 0; j < kUnrolled; ++j) add(value[j]);
  }
  for (; i < count; i += kLanes) add(gpu::widen(from[i]));
  double total = 0;
  for (int j = 0; j < kLanes; ++j) {
    const int source = gpu::lane_id() / kLanes * kLanes + j;
    total = gpu::add_rn(total, __shfl_sync(gpu::kFullMask, sum, source));
  }
  if (lane == 0 && count > 0) partial[chunk] = total;
}

/// One block: the norm from the chunks, and the factor of the gradient,
/// min(1, limit / (norm + 1e-6)); limit < 0: 1. A norm that is not finite: kNoUpdate.
KERNEL(kTotalThreads)
total_kernel(int chunks, double limit, const double* __restrict__ partial,
             double* __restrict__ norm, float* __restrict__ clip) {
  __shared__ double sums[kTotalThreads];
  const int rank = gpu::thread_rank();
  double sum = 0;
  for (int i = rank; i < chunks; i += kTotalThreads) sum = gpu::add_rn(sum, partial[i]);
  sums[rank] = sum;
  for (int step = kTotalThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (rank < step) sums[rank] = gpu::add_rn(sums[rank], sums[rank + step]);
  }
  if (rank != 0) return;
  const double length = gpu::sqrt_rn(sums[0]);
  const double factor = gpu::div_rn(limit, gpu::add_rn(length, 1e-6));
  *norm = length;
  *clip = !(length < INFINITY)       ? kNoUpdate
          : limit >= 0 && factor < 1 ? static_cast<float>(factor)
                                     : 1.0f;
}

/// Scalars of one update, computed in fp64 and rounded once.
struct Update {
  float decay, beta1, rest1, beta2, rest2, step, root, eps, rate;
};

Update update_of(const ops::AdamEmaAttrs& a) {
  const auto t = static_cast<double>(a.step);
  return {.decay = static_cast<float>(a.weight_decay),
          .beta1 = static_cast<float>(a.beta1),
          .rest1 = static_cast<float>(1 - a.beta1),
          .beta2 = static_cast<float>(a.beta2),
          .rest2 = static_cast<float>(1 - a.beta2),
          .step = static_cast<float>(a.lr / (1 - std::pow(a.beta1, t))),
          .root = static_cast<float>(std::sqrt(1 - std::pow(a.beta2, t))),
          .eps = static_cast<float>(a.eps),
          .rate = static_cast<float>(1 - a.ema_decay)};
}

template <class T>
struct Arenas {
  std::int64_t count;
  const T* g;
  T *p, *m, *v, *ema;
  bool whole;
};

template <class T>
KERNEL(kUpdateThreads)
update_kernel(Arenas<T> a, Update u, const float* __restrict__ clip_factor) {
  const std::int64_t first =
      (static_cast<std::int64_t>(blockIdx.x) * kUpdateThreads + threadIdx.x) * gpu::kQuad;
  if (first >= a.count) return;
  const std::int64_t left = a.count - first;
  const unsigned count = left < gpu::kQuad ? static_cast<unsigned>(left) : gpu::kQuad;
  const float clip = *clip_factor;
  if (clip == kNoUpdate) return;
  const gpu::Quad<T> g = gpu::load_quad(a.g + first, count, a.whole);
  gpu::Quad<T> p = gpu::load_quad(a.p + first, count, a.whole);
  gpu::Quad<T> m = gpu::load_quad(a.m + first, count, a.whole);
  gpu::Quad<T> v = gpu::load_quad(a.v + first, count, a.whole);
  gpu::Quad<T> ema = gpu::load_quad(a.ema + first, count, a.whole);
#pragma unroll
  for (unsigned i = 0; i < gpu::kQuad; ++i) {
    using gpu::add_rn, gpu::mul_rn;
    const float before = gpu::widen(p.v[i]), average = gpu::widen(ema.v[i]);
    const float gi = add_rn(mul_rn(clip, gpu::widen(g.v[i])), mul_rn(u.decay, before));
    const float mi = add_rn(mul_rn(u.beta1, gpu::widen(m.v[i])), mul_rn(u.rest1, gi));
    const float vi = add_rn(mul_rn(u.beta2, gpu::widen(v.v[i])), mul_rn(mul_rn(u.rest2, gi), gi));
    const float scale = add_rn(gpu::div_rn(gpu::sqrt_rn(vi), u.root), u.eps);
    const float after = add_rn(before, -mul_rn(u.step, gpu::div_rn(mi, scale)));
    p.v[i] = gpu::narrow<T>(after);
    m.v[i] = gpu::narrow<T>(mi);
    v.v[i] = gpu::narrow<T>(vi);
    ema.v[i] = gpu::narrow<T>(add_rn(average, -mul_rn(u.rate, add_rn(average, -after))));
  }
  gpu::store_quad(a.p + first, p, count, a.whole);
  gpu::store_quad(a.m + first, m, count, a.whole);
  gpu::store_quad(a.v + first, v, count, a.whole);
  gpu::store_quad(a.ema + first, ema, count, a.whole);
}

enum Input { kP, kG, kM, kV, kEma };

template <class T>
void step(Launch& launch, const Tensors& x, const Tensor& norm, const ops::AdamEmaAttrs& attrs) {
  const gpu::Stream stream = launch.stream();
  const std::int64_t n = x[kP].numel(), chunks = (n + kChunk - 1) / kChunk;
  Arenas<T> a{.count = n,
              .g = gpu::elements_of<T>(x[kG]),
              .p = gpu::elements_of<T>(x[kP]),
              .m = gpu::elements_of<T>(x[kM]),
              .v = gpu::elements_of<T>(x[kV]),
              .ema = gpu::elements_of<T>(x[kEma])};
  a.whole = gpu::aligned16(a.g, a.p, a.m, a.v, a.ema);
  auto* partial = launch.scratch<double>(chunks);
  auto* clip = launch.scratch<float>(1);
  if (n > 0) {
    gpu::check(gpu::launch(chunks_kernel<T>, gpu::blocks_for(chunks, kChunkThreads / kLanes),
                           kChunkThreads, 0, stream, n, a.g, partial));
  }
  gpu::check(gpu::launch(total_kernel, 1, kTotalThreads, 0, stream, static_cast<int>(chunks),
                         attrs.grad_clip, partial, gpu::elements_of<double>(norm), clip));
  if (n == 0) return;
  gpu::check(gpu::launch(update_kernel<T>, gpu::blocks_for(n, kUpdateThreads * gpu::kQuad),
                         kUpdateThreads, 0, stream, a, update_of(attrs), clip));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  gpu::dispatch_element(x[kP].dtype(), [&]<class T>() {
    step<T>(launch, x, y[0], *static_cast<const ops::AdamEmaAttrs*>(attrs));
  });
}

}  // namespace

GpuKernels adam_ema_step_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
