#include "kernels/conv2d/cpu.h"

#include <algorithm>

#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "kernels/common/gemm.h"
#include "kernels/conv2d/cpu_algorithm.h"
#include "kernels/conv2d/weights_gradient.h"
#include "kernels/conv2d/winograd.h"

namespace ito {
namespace {

/// Where tap `i` of the output at `at` reads: at * stride - pad + i * dilation, or -1 outside.
int64_t input_index(const Conv2dParams& p, int64_t at, int64_t pad, int64_t i, int64_t size) {
  const int64_t from = at * p.stride - pad + i * p.dilation;
  return from >= 0 && from < size ? from : -1;
}

/// The output whose tap `i` reads position `at`: (at + pad - i * dilation) / stride, or -1.
int64_t output_index(const Conv2dParams& p, int64_t at, int64_t pad, int64_t i, int64_t size) {
  const int64_t scaled = at + pad - i * p.dilation;
  if (p.stride == 1) return scaled >= 0 && scaled < size ? scaled : -1;
  if (scaled < 0 || scaled % p.stride != 0 || scaled / p.stride >= size) return -1;
  return scaled / p.stride;
}

/// Images [n, height, width, channels].
template <class T>
struct Images {
  T* data;
  int64_t height, width, channels;
};

/// to[r] = the pixel of `from` that tap `tap` takes for pixel `first + r` of all images of
/// `result`, or null outside of it. index(p, at, pad, i, size) is one of the two above.
template <class T, class Index>
void find_pixels(const Conv2dParams& p, const Images<T>& from, const Images<T>& result, int64_t tap,
                 int64_t first, int64_t rows, Index index, const T** to) {
  const int64_t i = tap / p.kw, j = tap % p.kw;
  int64_t col = first % result.width, row = first / result.width % result.height;
  const T* image =
      from.data + first / (result.width * result.height) * from.height * from.width * from.channels;
  int64_t y = index(p, row, p.pad_top, i, from.height);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t x = index(p, col, p.pad_left, j, from.width);
    to[r] = x < 0 || y < 0 ? nullptr : image + (y * from.width + x) * from.channels;
    if (++col < result.width) continue;
    col = 0;
    if (++row == result.height) {
      row = 0;
      image += from.height * from.width * from.channels;
    }
    y = index(p, row, p.pad_top, i, from.height);
  }
}

/// The convolution as one matrix product for all images: a row for every pixel of the result, whose
/// segments are what each tap reads of `from`. Weights are read once for many rows, so small images
/// share them. b: the weights of the first tap, [from.channels, result.channels].
template <class T, class Index>
void multiply_pixels(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t,
                     const Images<T>& from, const Images<T>& result, const MatrixView<T>& b,
                     const T* bias, Index index) {
  const int64_t taps = p.kh * p.kw;
  const Segments<T> segments{.count = taps,
                             .b_distance = p.ci,
                             .rows = [&](int64_t tap, int64_t first, int64_t rows, const T** to) {
                               find_pixels(p, from, result, tap, first, rows, index, to);
                             }};
  Gemm<T> product{.m = p.n * result.height * result.width,
                  .n = result.channels,
                  .k = taps * from.channels,
                  .b = b,
                  .bias = bias,
                  .c = result.data,
                  .c_stride = result.channels,
                  .segments = &segments};
  const bool is_kept = t.weights_owner != nullptr && t.weights_owner->keeps_derived();
  const auto kept = is_kept ? packed_b(*t.weights_owner, product) : nullptr;
  product.packed_b = kept.get();
  gemm(launch, product);
}

template <class T>
void forward_product(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  multiply_pixels(launch, p, t, Images<T>{t.x, p.h, p.w, p.ci}, Images<T>{t.y, p.ho, p.wo, p.co},
                  {t.w, 1, p.kh * p.kw * p.ci}, t.bias, input_index);
}

template <class T>
void dx_product(Launch& launch, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  multiply_pixels(launch, p, t, Images<T>{t.y, p.ho, p.wo, p.co}, Images<T>{t.x, p.h, p.w, p.ci},
                  {t.w, p.kh * p.kw * p.ci, 1}, static_cast<const T*>(nullptr), output_index);
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

/// Whether our own product is the faster: where small images read many weights, which oneDNN reads
/// again for every image and band of it. By the shape of one image alone, because its result must
/// not depend on the others; measured for the shapes of networks (bench/LOG.md).
template <class T>
bool prefers_product(ConvDirection direction, const Conv2dParams& p) {
  constexpr int64_t kMostPixels = 64, kFewestChannels = 96, kBytesPerPixel = 1 << 15;
  const int64_t pixels = std::max(p.h * p.w, p.ho * p.wo);
  const int64_t bytes = p.weights() * static_cast<int64_t>(sizeof(T));
  return direction != ConvDirection::dw && p.stride == 1 && pixels <= kMostPixels &&
         std::min(p.ci, p.co) >= kFewestChannels && bytes >= kBytesPerPixel * pixels;
}

template <class T>
void direct(Launch& launch, ConvDirection direction, const Conv2dParams& p,
            const Conv2dArrays<T>& t) {
  const bool own = prefers_product<T>(direction, p) ||
                   (direction == ConvDirection::dw && weights_gradient_pays<T>(p));
  if (!own && by_library(launch, direction, p, t)) return;
  switch (direction) {
    case ConvDirection::forward:
      return forward_product(launch, p, t);
    case ConvDirection::dx:
      return dx_product(launch, p, t);
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
