// GPU kernel of pad: a thread writes one word of the result, copied or zero; every word is written
// once.
#include "kernels/common/index_space.cuh"
#include "kernels/common/words.cuh"
#include "kernels/pad/params.h"

namespace ito::ITO_GPU_NS {
namespace {

/// Rows of words: `before` zeros, `row` words of x, then zeros up to `padded`.
struct Rows {
  unsigned before, row;
  gpu::Divider padded;
};

template <class Word>
KERNEL(gpu::kItemThreads)
pad_kernel(Rows rows, unsigned items, const Word* __restrict__ x, Word* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned row = rows.padded.quotient(item);
  // Words before x wrap around to huge numbers.
  const unsigned at = item - row * rows.padded.divisor - rows.before;
  y[item] = at < rows.row ? x[static_cast<std::size_t>(row) * rows.row + at] : Word{};
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void* attrs) {
  if (y[0].numel() == 0) return;
  const auto& a = *static_cast<const PadAttrs*>(attrs);
  const Shape& shape = x[0].shape();
  const int axis = shape.normalize(a.axis);
  const auto element = static_cast<int64_t>(size_of(x[0].dtype()));
  const int64_t inner = shape.numel_of(axis + 1, shape.rank()) * element;
  const int64_t before = a.before * inner, row = shape[axis] * inner;
  const int64_t padded = before + row + a.after * inner;
  const int64_t word =
      gpu::word_bytes(gpu::address_bits(x[0].raw()) | gpu::address_bits(y[0].raw()) |
                      static_cast<std::uint64_t>(before | row | padded));
  const Rows rows{static_cast<unsigned>(before / word), static_cast<unsigned>(row / word),
                  gpu::Divider(padded / word)};
  gpu::dispatch_word(word, [&]<class Word>() {
    gpu::for_row_parts(shape.numel_of(0, axis), padded / word, [&](int64_t first, int64_t count) {
      const int64_t items = count * padded / word;
      gpu::check(gpu::launch(pad_kernel<Word>, gpu::blocks_for(items, gpu::kItemThreads),
                             gpu::kItemThreads, 0, launch.stream(), rows,
                             static_cast<unsigned>(items),
                             gpu::elements_of<Word>(x[0]) + first * (row / word),
                             gpu::elements_of<Word>(y[0]) + first * (padded / word)));
    });
  });
}

}  // namespace

GpuKernels pad_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
