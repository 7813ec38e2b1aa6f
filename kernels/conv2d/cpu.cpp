#include "kernels/conv2d/cpu.h"

#include <algorithm>

#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "kernels/common/gemm.h"
#include "kernels/common/scratch_slots.h"
#include "kernels/conv2d/cpu_algorithm.h"
#include "kernels/conv2d/weights_gradient.h"
#include "kernels/conv2d/winograd.h"

namespace ito {
namespace {

/// Bands of image rows whose columns fit in the second-level cache.
struct RowTiles {
  int64_t height, rows, count;

  RowTiles(int64_t image_rows, int64_t width, int64_t depth) : height(image_rows) {
    constexpr int64_t kPixels = 256, kElements = 1 << 17;
    const int64_t pixels = std::min(kPixels, kElements / std::max<int64_t>(depth, 1));
    rows = std::clamp<int64_t>(pixels / width, 1, height);
    count = (height + rows - 1) / rows;
  }
  int64_t first(int64_t tile) const { return tile * rows; }
  int64_t size(int64_t tile) const { return std::min(rows, height - tile * rows); }
};

/// Columns [rows * wo, kh * kw * ci]: what the outputs of y's rows [first, first + rows) read of x.
template <class T>
void gather_columns(const Conv2dParams& p, const T* x, int64_t first, int64_t rows, T* column) {
  for (int64_t r = first; r < first + rows; ++r) {
    for (int64_t s = 0; s < p.wo; ++s) {
      for (int64_t i = 0; i < p.kh; ++i) {
        const int64_t row = r * p.stride - p.pad_top + i * p.dilation;
        for (int64_t j = 0; j < p.kw; ++j, column += p.ci) {
          const int64_t col = s * p.stride - p.pad_left + j * p.dilation;
          if (row < 0 || row >= p.h || col < 0 || col >= p.w) {
            std::fill_n(column, p.ci, T{});
          } else {
            std::copy_n(x + (row * p.w + col) * p.ci, p.ci, column);
          }
        }
      }
    }
  }
}

/// The output index that tap `i` takes position `at` from: (at + pad - i * dilation) / stride, or
/// -1.
int64_t output_index(const Conv2dParams& p, int64_t at, int64_t pad, int64_t i, int64_t size) {
  const int64_t scaled = at + pad - i * p.dilation;
  if (scaled < 0 || scaled % p.stride != 0 || scaled / p.stride >= size) return -1;
  return scaled / p.stride;
}

/// Columns [rows * w, co * kh * kw]: what x's rows [first, first + rows) contributed to in y.
template <class T>
void gather_adjoint_columns(const Conv2dParams& p, const T* gy, int64_t first, int64_t rows,
                            T* column) {
  const int64_t taps = p.kh * p.kw;
  for (int64_t row = first; row < first + rows; ++row) {
    for (int64_t col = 0; col < p.w; ++col, column += p.co * taps) {
      for (int64_t i = 0; i < p.kh; ++i) {
        const int64_t r = output_index(p, row, p.pad_top, i, p.ho);
        for (int64_t j = 0; j < p.kw; ++j) {
          const int64_t s = output_index(p, col, p.pad_left, j, p.wo);
          const T* from = r < 0 || s < 0 ? nullptr : gy + (r * p.wo + s) * p.co;
          T* to = column + i * p.kw + j;
          for (int64_t o = 0; o < p.co; ++o) to[o * taps] = from != nullptr ? from[o] : T{};
        }
      }
    }
  }
}

/// Buffers of one thread: columns, and the workspace of the matrix product.
template <class T>
struct Buffers {
  ScratchSlots<T> columns;
  ScratchSlots<Acc<T>> workspace;

  Buffers(Launch& launch, int64_t chunks, int64_t columns_size)
      : columns(launch, chunks, columns_size), workspace(launch, chunks, gemm_workspace_size()) {}

  template <class Body>
  void with(Body&& body) {
    columns.with([&](T* c) { workspace.with([&](Acc<T>* w) { body(c, w); }); });
  }
};

template <class T>
void forward_portable(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  const int64_t depth = p.kh * p.kw * p.ci;
  const RowTiles tiles(p.ho, p.wo, depth);
  Buffers<T> buffers(launch, p.n * tiles.count, tiles.rows * p.wo * depth);
  parallel_for(p.n * tiles.count, [&](int64_t task) {
    const int64_t image = task / tiles.count, tile = task % tiles.count;
    const int64_t first = tiles.first(tile), rows = tiles.size(tile);
    buffers.with([&](T* columns, Acc<T>* workspace) {
      gather_columns(p, t.x + image * p.x_image(), first, rows, columns);
      gemm_serial(Gemm<T>{.m = rows * p.wo,
                          .n = p.co,
                          .k = depth,
                          .a = {columns, depth, 1},
                          .b = {t.w, 1, depth},
                          .bias = t.bias,
                          .c = t.y + image * p.y_image() + first * p.wo * p.co,
                          .c_stride = p.co},
                  workspace);
    });
  });
}

template <class T>
void dx_portable(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  const int64_t depth = p.co * p.kh * p.kw;
  const RowTiles tiles(p.h, p.w, depth);
  Buffers<T> buffers(launch, p.n * tiles.count, tiles.rows * p.w * depth);
  parallel_for(p.n * tiles.count, [&](int64_t task) {
    const int64_t image = task / tiles.count, tile = task % tiles.count;
    const int64_t first = tiles.first(tile), rows = tiles.size(tile);
    buffers.with([&](T* columns, Acc<T>* workspace) {
      gather_adjoint_columns(p, t.y + image * p.y_image(), first, rows, columns);
      gemm_serial(Gemm<T>{.m = rows * p.w,
                          .n = p.ci,
                          .k = depth,
                          .a = {columns, depth, 1},
                          .b = {t.w, p.ci, 1},
                          .c = t.x + image * p.x_image() + first * p.w * p.ci,
                          .c_stride = p.ci},
                  workspace);
    });
  });
}

template <class T>
bool by_library(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                const Conv2dArrays<T>& t) {
  if constexpr (std::is_same_v<T, double>) {
    return false;
  } else {
    return p.weights() > 0 && conv2d_onednn(launch, direction, p, t);
  }
}

template <class T>
void direct(Launch& launch, ConvDirection direction, const Conv2dParams& p,
            const Conv2dArrays<T>& t) {
  const bool own = direction == ConvDirection::dw && weights_gradient_pays<T>(p);
  if (!own && by_library(launch, direction, p, t)) return;
  switch (direction) {
    case ConvDirection::forward:
      return forward_portable(launch, p, t);
    case ConvDirection::dx:
      return dx_portable(launch, p, t);
    case ConvDirection::dw:
      return conv2d_weights_gradient(launch, p, t);
  }
}

}  // namespace

template <class T>
std::shared_ptr<const void> packed_weights(Launch& launch, const Conv2dArrays<T>& t,
                                           std::vector<int64_t> key, size_t bytes,
                                           const std::function<void(void*)>& pack) {
  if (t.weights_owner == nullptr || !t.weights_owner->keeps_derived()) {
    void* memory = launch.scratch<std::byte>(static_cast<int64_t>(bytes));
    pack(memory);
    return {std::shared_ptr<void>(), memory};
  }
  key.push_back(reinterpret_cast<const std::byte*>(t.w) -
                static_cast<const std::byte*>(t.weights_owner->data()));
  return t.weights_owner->derived(key, [&]() -> Storage::Derived {
    const std::shared_ptr<Storage> kept = Storage::allocate(bytes, kCpu);
    pack(kept->data());
    return {kept, kept->data()};
  });
}

int64_t images_per_sum(const Conv2dParams& p) {
  constexpr int64_t kSums = 16, kPixels = 512;
  const auto up = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t wanted = std::max(up(p.n, kSums), up(kPixels, p.ho * p.wo));
  return std::max<int64_t>(1, std::min(wanted, up(p.n, 2)));
}

template <class T>
void conv2d_cpu(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                const Conv2dArrays<T>& t) {
  if constexpr (!std::is_same_v<T, double>) {
    if (math_mode() == MathMode::fast && winograd_fits(p)) {
      const auto run = [&](ConvAlgorithm algorithm) {
        if (algorithm == ConvAlgorithm::direct) return direct(launch, direction, p, t);
        conv2d_winograd(launch, direction, p, t);
      };
      return run(fastest_algorithm(direction, p, dtype_of<T>(), std::ref(run)));
    }
  }
  direct(launch, direction, p, t);
}

#define ITO_CONV2D(T)                                                                            \
  template void conv2d_cpu(Launch&, ConvDirection, const Conv2dParams&, const Conv2dArrays<T>&); \
  template std::shared_ptr<const void> packed_weights(Launch&, const Conv2dArrays<T>&,           \
                                                      std::vector<int64_t>, size_t,              \
                                                      const std::function<void(void*)>&);
ITO_CONV2D(float)
ITO_CONV2D(double)
ITO_CONV2D(BFloat16)
#undef ITO_CONV2D

}  // namespace ito
