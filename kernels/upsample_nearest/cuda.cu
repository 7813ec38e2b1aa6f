// GPU kernel of upsample_nearest: a thread reads one word of x once and writes it k x k times.
#include "kernels/common/index_space.cuh"
#include "kernels/common/words.cuh"
#include "kernels/upsample_nearest/params.h"

namespace ito::ITO_GPU_NS {
namespace {

/// Sizes in words.
struct Image {
  unsigned k;
  gpu::Divider row, channels;
};

template <class Word>
KERNEL(gpu::kItemThreads)
upsample_kernel(Image image, unsigned items, const Word* __restrict__ x, Word* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned row = image.row.quotient(item), in_row = item - row * image.row.divisor;
  const unsigned channels = image.channels.divisor, pixel = image.channels.quotient(in_row);
  const Word value = x[item];
  const std::size_t k = image.k, long_row = image.row.divisor * k;
  Word* to = y + row * k * long_row + pixel * k * channels + (in_row - pixel * channels);
  for (unsigned i = 0; i < image.k; ++i, to += long_row) {
    for (unsigned j = 0; j < image.k; ++j) to[j * channels] = value;
  }
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const int64_t k = static_cast<const UpsampleAttrs*>(attrs)->k;
  const Shape& shape = x[0].shape();
  const int64_t channels = shape[3] * static_cast<int64_t>(size_of(x[0].dtype()));
  const int64_t word =
      gpu::word_bytes(gpu::address_bits(x[0].raw()) | gpu::address_bits(y[0].raw()) |
                      static_cast<std::uint64_t>(channels));
  const int64_t row = shape[2] * channels / word;
  const Image image{static_cast<unsigned>(k), gpu::Divider(row), gpu::Divider(channels / word)};
  gpu::dispatch_word(word, [&]<class Word>() {
    gpu::for_row_parts(shape[0] * shape[1], row, [&](int64_t first, int64_t count) {
      const int64_t items = count * row;
      gpu::check(gpu::launch(upsample_kernel<Word>, gpu::blocks_for(items, gpu::kItemThreads),
                             gpu::kItemThreads, 0, launch.stream(), image,
                             static_cast<unsigned>(items),
                             gpu::elements_of<Word>(x[0]) + first * row,
                             gpu::elements_of<Word>(y[0]) + first * row * k * k));
    });
  });
}

}  // namespace

GpuKernels upsample_nearest_kernels() {
  return {.forward = forward, .handles = gpu::handles_every_dtype};
}

}  // namespace ito::ITO_GPU_NS
