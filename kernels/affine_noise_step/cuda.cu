// GPU kernel of affine_noise_step: a thread makes one Philox block, four neighbours of one sample.
#include <algorithm>

#include "kernels/affine_noise_step/op.h"
#include "kernels/common/gpu_kernels.h"
#include "kernels/common/sampler_update.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kThreads = 256;
constexpr int kQuad = 4;  // values of one Philox block

/// A row or a sample index out of range gives NaN: the host cannot look without waiting.
constexpr unsigned kNanBits = 0x7FC00000u;

template <class T>
struct StepArguments {
  const T *x, *score, *z;  ///< z may be null
  const double* table;
  const std::int64_t *row, *samples;
  T *next, *mean;
  std::int64_t rows;
  unsigned elements;  ///< of one sample
  NoiseKey key;
};

/// Four values in float, of which `count` are there.
template <class T>
struct alignas(kQuad * sizeof(T)) Quad {
  T v[kQuad];
};
template <class T>
DEV Quad<T> load_quad(const T* from, unsigned count, bool whole) {
  if (whole) return *reinterpret_cast<const Quad<T>*>(from);
  Quad<T> q{};
  for (unsigned i = 0; i < count; ++i) q.v[i] = from[i];
  return q;
}
template <class T>
DEV void store_quad(T* to, const Quad<T>& q, unsigned count, bool whole) {
  if (whole) {
    *reinterpret_cast<Quad<T>*>(to) = q;
    return;
  }
  for (unsigned i = 0; i < count; ++i) to[i] = q.v[i];
}

template <class T>
KERNEL(kThreads)
step_kernel(StepArguments<T> a, bool whole) {
  const unsigned block = blockIdx.y * blockDim.x + threadIdx.x;
  const unsigned first = block * kQuad;
  if (first >= a.elements) return;
  const unsigned count = a.elements - first < kQuad ? a.elements - first : kQuad;
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * a.elements + first;
  const std::int64_t row = a.row[0], sample = a.samples[blockIdx.x];
  const bool valid = row >= 0 && row < a.rows && sample >= 0 && sample <= 0xFFFFFFFFll;
  const double* k = a.table + (valid ? 3 * row : 0);
  const float nan = gpu::bits_to_float(kNanBits);
  const float ka = valid ? static_cast<float>(k[0]) : nan;
  const float kb = static_cast<float>(k[1]), kc = static_cast<float>(k[2]);
  a.key.step += static_cast<std::uint32_t>(row);
  const Quad<T> x = load_quad(a.x + at, count, whole), s = load_quad(a.score + at, count, whole);
  F32x4 noise;
  if (a.z != nullptr) {
    const Quad<T> z = load_quad(a.z + at, count, whole);
    for (int i = 0; i < kQuad; ++i) noise.v[i] = gpu::widen(z.v[i]);
  } else {
    noise = normal4(noise_bits(a.key, static_cast<std::uint32_t>(sample), block));
  }
  Quad<T> next, mean;
#pragma unroll
  for (int i = 0; i < kQuad; ++i) {
    const float m = gpu::fma_rn(kb, gpu::widen(s.v[i]), gpu::mul_rn(ka, gpu::widen(x.v[i])));
    mean.v[i] = gpu::narrow<T>(m);
    next.v[i] = gpu::narrow<T>(gpu::fma_rn(kc, noise.v[i], m));
  }
  store_quad(a.mean + at, mean, count, whole);
  store_quad(a.next + at, next, count, whole);
}

enum Input { kX, kScore, kTable, kRow, kSamples, kZ };

template <class T>
StepArguments<T> arguments_of(const Tensors& in, const Tensors& out, NoiseKey key) {
  return {.x = gpu::elements_of<T>(in[kX]),
          .score = gpu::elements_of<T>(in[kScore]),
          .z = gpu::elements_of<T>(in[kZ]),
          .table = in[kTable].data<double>(),
          .row = in[kRow].data<std::int64_t>(),
          .samples = in[kSamples].data<std::int64_t>(),
          .next = gpu::elements_of<T>(out[0]),
          .mean = gpu::elements_of<T>(out[1]),
          .rows = in[kTable].size(0),
          .elements = static_cast<unsigned>(in[kX].numel() / in[kX].size(0)),
          .key = key};
}

void forward(Launch& launch, const Tensors& in, const Tensors& out, const void* attrs) {
  if (is_host_memory(launch.device())) {
    table_row(in[kRow], in[kTable]);
    for (const std::int64_t index : in[kSamples].span<std::int64_t>()) sample_counter(index);
  }
  if (in[kX].numel() == 0) return;
  const NoiseKey key = static_cast<const ops::AffineNoiseAttrs*>(attrs)->key;
  gpu::dispatch_element(in[kX].dtype(), [&]<class T>() {
    const StepArguments<T> a = arguments_of<T>(in, out, key);
    const bool whole = a.elements % kQuad == 0 && gpu::aligned16(a.x, a.score, a.z, a.next, a.mean);
    const unsigned warps = gpu::blocks_for(a.elements, kQuad * gpu::kWarpSize);
    const unsigned threads = std::min(warps * gpu::kWarpSize, static_cast<unsigned>(kThreads));
    const dim3 grid(static_cast<unsigned>(in[kX].size(0)),
                    gpu::blocks_for(a.elements, threads * kQuad));
    gpu::check(gpu::launch(step_kernel<T>, grid, threads, 0, nullptr, a, whole));
  });
}

/// The table is always f64; the state decides.
bool handles(const Specs& inputs, const void*) { return inputs[kX].dtype != DType::f64; }

}  // namespace

GpuKernels affine_noise_step_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
