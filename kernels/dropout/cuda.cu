// GPU kernel of dropout: a thread takes 16 bytes of one sample and makes the Philox blocks of four
// numbers that belong to them. The mask, and so every bit, is the CPU's. A sample index out of
// range makes the sample NaN: the host cannot look without waiting.
#include "kernels/common/index_space.cuh"
#include "kernels/dropout/op.h"

namespace ito::ITO_GPU_NS {
namespace {

constexpr int kQuad = 4;  // numbers of one Philox block
constexpr unsigned kNanBits = 0x7FC00000u;

struct Mask {
  NoiseKey key;
  float rate, scale;
  gpu::Divider packs;     ///< of one sample
  std::int64_t elements;  ///< of one sample
};

template <class T>
KERNEL(gpu::kItemThreads)
dropout_kernel(Mask mask, unsigned items, bool whole, const T* __restrict__ x,
               const std::int64_t* __restrict__ samples, T* __restrict__ y) {
  constexpr int kSize = gpu::Pack<T>::kSize;
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned n = mask.packs.quotient(item), pack = item - n * mask.packs.divisor;
  const std::int64_t first = static_cast<std::int64_t>(pack) * kSize;
  const std::int64_t left = mask.elements - first, at = n * mask.elements + first;
  const int count = left < kSize ? static_cast<int>(left) : kSize;
  gpu::Pack<T> values{};
  if (whole) {
    values = gpu::load16(x + at);
  } else {
    for (int i = 0; i < count; ++i) values.v[i] = x[at + i];
  }
  const std::int64_t sample = samples[n];
  const bool valid = sample >= 0 && sample <= 0xFFFFFFFFll;
  const float scale = valid ? mask.scale : gpu::bits_to_float(kNanBits);
  const float dropped = valid ? 0.0f : scale;
#pragma unroll
  for (int quad = 0; quad < kSize / kQuad; ++quad) {
    const U32x4 bits = noise_bits(mask.key, static_cast<std::uint32_t>(sample),
                                  pack * (kSize / kQuad) + static_cast<unsigned>(quad));
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      T& value = values.v[quad * kQuad + i];
      const float factor = uniform1(bits.v[i]) >= mask.rate ? scale : dropped;
      value = gpu::narrow<T>(gpu::mul_rn(gpu::widen(value), factor));
    }
  }
  if (whole) {
    gpu::store16(y + at, values);
  } else {
    for (int i = 0; i < count; ++i) y[at + i] = values.v[i];
  }
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const ops::DropoutAttrs*>(attrs);
  const int64_t samples = y[0].size(0), elements = y[0].numel() / samples;
  const int64_t* indices = x[1].data<int64_t>();
  gpu::dispatch_element(y[0].dtype(), [&]<class T>() {
    constexpr int kSize = gpu::Pack<T>::kSize;
    const int64_t packs = (elements + kSize - 1) / kSize;
    const Mask mask{a.key, static_cast<float>(a.rate), static_cast<float>(1 / (1 - a.rate)),
                    gpu::Divider(packs), elements};
    const bool whole = elements % kSize == 0 && gpu::aligned16(x[0].raw(), y[0].raw());
    gpu::for_row_parts(samples, packs, [&](int64_t first, int64_t count) {
      const int64_t items = count * packs;
      gpu::check(gpu::launch(dropout_kernel<T>, gpu::blocks_for(items, gpu::kItemThreads),
                             gpu::kItemThreads, 0, launch.stream(), mask,
                             static_cast<unsigned>(items), whole,
                             gpu::elements_of<T>(x[0]) + first * elements, indices + first,
                             gpu::elements_of<T>(y[0]) + first * elements));
    });
  });
}

}  // namespace

GpuKernels dropout_kernels() { return {.forward = forward}; }

}  // namespace ito::ITO_GPU_NS
