// Batches [N, elements] cut into quads: four neighbours of one sample, whose noise is one Philox
// block. A thread takes one quad, so that noise is made where it is used and never stored, and
// neighbouring threads move neighbouring addresses (16 bytes each in f32).
#pragma once

#include "engine/random/noise.h"
#include "kernels/common/gpu_kernels.h"

namespace ito::gpu {
inline namespace ITO_GPU_NS {

inline constexpr unsigned kQuad = 4;
inline constexpr int kQuadThreads = 128;

/// Quads are counted over the batch; the last one of a sample may be shorter.
struct QuadGrid {
  unsigned elements, per_sample, total;
};

/// Of a batch [N, ...]. Throws ShapeError if the quads cannot be counted in 32 bits.
inline QuadGrid quad_grid(const Tensor& batch) {
  if (batch.numel() == 0) return {};
  const std::int64_t elements = batch.numel() / batch.size(0);
  const std::int64_t quads = (elements + kQuad - 1) / kQuad;
  ITO_CHECK(elements < 0xFFFFFFFFll && quads * batch.size(0) < 0xFFFFFF00ll, ShapeError,
            "batch is too large for one launch", kv("elements", batch.numel()));
  return {static_cast<unsigned>(elements), static_cast<unsigned>(quads),
          static_cast<unsigned>(quads * batch.size(0))};
}

/// Starts `kernel` with a thread per quad.
template <class... P, class... A>
void launch_quads(Launch& launch, const QuadGrid& grid, void (*kernel)(P...), A... args) {
  const unsigned blocks = blocks_for(grid.total, kQuadThreads);
  check(gpu::launch(kernel, blocks, kQuadThreads, 0, launch.stream(), args...));
}

/// The quad of this thread: `count` values from `at` on; none beyond the batch.
struct QuadPlace {
  unsigned sample, block, count;
  std::size_t at;

  DEV explicit QuadPlace(const QuadGrid& g) : sample(0), block(0), count(0), at(0) {
    const unsigned index = blockIdx.x * kQuadThreads + threadIdx.x;
    if (index < g.total) place(g, index / g.per_sample, index % g.per_sample);
  }
  DEV QuadPlace(const QuadGrid& g, unsigned of_sample, unsigned quad)
      : sample(0), block(0), count(0), at(0) {
    if (quad < g.per_sample) place(g, of_sample, quad);
  }

 private:
  DEV void place(const QuadGrid& g, unsigned of_sample, unsigned quad) {
    const unsigned first = quad * kQuad;
    sample = of_sample;
    block = quad;
    count = g.elements - first < kQuad ? g.elements - first : kQuad;
    at = static_cast<std::size_t>(of_sample) * g.elements + first;
  }
};

template <class T>
struct alignas(sizeof(T) < 4 ? 8 : 16) Quad {
  T v[kQuad];
};

/// Whether every full quad of these batches may be moved as one access.
template <class... T>
bool whole_quads(unsigned elements, const T*... batches) {
  return elements % kQuad == 0 && aligned16(batches...);
}

/// Values beyond `count` are 0.
template <class T>
DEV Quad<T> load_quad(const T* from, unsigned count, bool whole) {
  if (whole && count == kQuad) return *reinterpret_cast<const Quad<T>*>(from);
  Quad<T> q{};
  for (unsigned i = 0; i < count; ++i) q.v[i] = from[i];
  return q;
}
template <class T>
DEV void store_quad(T* to, const Quad<T>& q, unsigned count, bool whole) {
  if (whole && count == kQuad) {
    *reinterpret_cast<Quad<T>*>(to) = q;
    return;
  }
  for (unsigned i = 0; i < count; ++i) to[i] = q.v[i];
}

/// Bad values in device memory show as NaN in the result: the host cannot look without waiting.
DEV float quiet_nan() { return bits_to_float(0x7FC00000u); }
DEV bool is_counter(std::int64_t sample) { return sample >= 0 && sample <= 0xFFFFFFFFll; }

/// Standard normals of one quad; NaN for a sample index beyond 32 bits.
DEV F32x4 normal_quad(NoiseKey key, std::int64_t sample, unsigned block) {
  const float nan = quiet_nan();
  if (!is_counter(sample)) return {{nan, nan, nan, nan}};
  return normal4(noise_bits(key, static_cast<std::uint32_t>(sample), block));
}

}  // namespace ITO_GPU_NS
}  // namespace ito::gpu
