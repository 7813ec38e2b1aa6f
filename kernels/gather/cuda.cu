// GPU kernel of gather: a thread moves one word of a row. An index out of range gives a row of set
// bits, which is NaN in every floating dtype: the host cannot look without waiting.
#include "kernels/common/index_space.cuh"
#include "kernels/common/words.cuh"

namespace ito::ITO_GPU_NS {
namespace {

template <class Word>
DEV Word all_bits() {
  if constexpr (std::is_same_v<Word, gpu::Word16>) {
    return {{~0u, ~0u, ~0u, ~0u}};
  } else {
    return static_cast<Word>(~Word{0});
  }
}

template <class Word>
KERNEL(gpu::kItemThreads)
gather_kernel(gpu::Divider row_words, unsigned items, int64_t rows, const Word* __restrict__ x,
              const int64_t* __restrict__ index, Word* __restrict__ y) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned m = row_words.quotient(item);
  const int64_t row = index[m];
  y[item] = row >= 0 && row < rows ? x[row * row_words.divisor + (item - m * row_words.divisor)]
                                   : all_bits<Word>();
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (y[0].numel() == 0) return;
  const int64_t bytes =
      x[0].shape().numel_of(1, x[0].rank()) * static_cast<int64_t>(size_of(x[0].dtype()));
  const int64_t word =
      gpu::word_bytes(gpu::address_bits(x[0].raw()) | gpu::address_bits(y[0].raw()) |
                      static_cast<std::uint64_t>(bytes));
  const int64_t row = bytes / word;
  const gpu::Divider row_words(row);
  const int64_t* index = x[1].data<int64_t>();
  gpu::dispatch_word(word, [&]<class Word>() {
    gpu::for_row_parts(x[1].numel(), row, [&](int64_t first, int64_t count) {
      gpu::check(gpu::launch(
          gather_kernel<Word>, gpu::blocks_for(count * row, gpu::kItemThreads), gpu::kItemThreads,
          0, launch.stream(), row_words, static_cast<unsigned>(count * row), x[0].size(0),
          gpu::elements_of<Word>(x[0]), index + first, gpu::elements_of<Word>(y[0]) + first * row));
    });
  });
}

}  // namespace

GpuKernels gather_kernels() { return {.forward = forward, .handles = gpu::handles_every_dtype}; }

}  // namespace ito::ITO_GPU_NS
