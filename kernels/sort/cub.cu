// GPU side of sort: one cub::DeviceRadixSort over all rows. Its keys are (row, order of the value)
// in 64 bits, of which the lowest 32 + log2(rows) are sorted, so that rows need no segments: many
// short rows and one long one take the same passes over memory. A radix sort is stable. Two kernels
// around it make the keys, and fetch the values, which keep their bits (-0, NaN).
#include <cub/device/device_radix_sort.cuh>
#include <cuda/std/bit>

#include "kernels/common/cub.cuh"
#include "kernels/common/index_space.cuh"

namespace ito::ITO_GPU_NS {
namespace {

using Key = unsigned long long;

/// As key_of of op.cpp: ascending with the value; -0 is 0, every NaN the largest.
DEV unsigned value_key(float value) {
  constexpr unsigned kTop = 0x80000000u;
  if (value != value) return ~0u;
  const auto bits = ::cuda::std::bit_cast<unsigned>(gpu::add_rn(value, 0.0f));
  return (bits & kTop) != 0 ? ~bits : bits | kTop;
}

template <class T>
KERNEL(gpu::kItemThreads)
keys_kernel(gpu::Divider columns, unsigned items, const T* __restrict__ x, Key* __restrict__ keys,
            unsigned* __restrict__ places) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned row = columns.quotient(item);
  keys[item] = Key{row} << 32 | value_key(gpu::widen(x[item]));
  places[item] = item - row * columns.divisor;
}

template <class T>
KERNEL(gpu::kItemThreads)
values_kernel(gpu::Divider columns, unsigned items, const T* __restrict__ x,
              const unsigned* __restrict__ places, T* __restrict__ values,
              int64_t* __restrict__ order) {
  const unsigned item = gpu::item_number();
  if (item >= items) return;
  const unsigned place = places[item];
  values[item] = x[columns.quotient(item) * columns.divisor + place];
  order[item] = place;
}

int bits_of(int64_t rows) {
  int bits = 0;
  while (int64_t{1} << bits < rows) ++bits;
  return bits;
}

/// Rows of fewer than 2^31 elements together.
template <class T>
void sort_rows(Launch& launch, const T* x, int64_t rows, int64_t n, T* values, int64_t* order) {
  const int64_t count = rows * n;
  const auto items = static_cast<unsigned>(count);
  const unsigned blocks = gpu::blocks_for(count, gpu::kItemThreads);
  const gpu::Divider columns(n);
  auto *keys = launch.scratch<Key>(count), *sorted_keys = launch.scratch<Key>(count);
  auto *places = launch.scratch<unsigned>(count), *sorted = launch.scratch<unsigned>(count);
  gpu::check(gpu::launch(keys_kernel<T>, blocks, gpu::kItemThreads, 0, launch.stream(), columns,
                         items, x, keys, places));
  gpu::run_cub(launch, [&](void* temporary, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, sorted_keys, places, sorted,
                                           items, 0, 32 + bits_of(rows), launch.stream());
  });
  gpu::check(gpu::launch(values_kernel<T>, blocks, gpu::kItemThreads, 0, launch.stream(), columns,
                         items, x, sorted, values, order));
}

void forward(Launch& launch, const Tensors& x, const Tensors& y, const void*) {
  if (x[0].numel() == 0) return;
  const int64_t n = x[0].size(1);
  gpu::dispatch_element(x[0].dtype(), [&]<class T>() {
    gpu::for_row_parts(x[0].size(0), n, [&](int64_t first, int64_t rows) {
      sort_rows(launch, gpu::elements_of<T>(x[0]) + first * n, rows, n,
                gpu::elements_of<T>(y[0]) + first * n, gpu::elements_of<int64_t>(y[1]) + first * n);
    });
  });
}

bool handles(const Specs& x, const void*) {
  return x[0].dtype != DType::f64 && x[0].shape[1] <= gpu::kMaxItems;
}

}  // namespace

GpuKernels sort_kernels() { return {.forward = forward, .handles = handles}; }

}  // namespace ito::ITO_GPU_NS
