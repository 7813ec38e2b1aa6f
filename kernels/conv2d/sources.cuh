// The operands of convolutions as sources of a matrix product (kernels/common/product_staging.cuh):
//   forward  y [pixels of y, co]  = patches of x [., taps * ci]  times  w^T
//   dx       gx [pixels of x, ci] = patches of gy [., taps * co] times  w by taps
//   dw       gw [co, taps * ci]   = gy^T [., pixels of y]        times  patches of x
// Nothing is stored: the addresses of patches are computed while they are read.
#pragma once

#include "kernels/common/index_space.cuh"
#include "kernels/common/product.cuh"
#include "kernels/conv2d/params.h"

namespace ito::ITO_GPU_NS {

/// n / divisor for 0 <= n < 2^31.
DEV int quotient(const gpu::Divider& divisor, int n) {
  return static_cast<int>(divisor.quotient(static_cast<unsigned>(n)));
}

/// What the elements of one patch have in common: the image, and the place of its first tap.
template <class T>
struct PatchOrigin {
  const T* image;
  int row, column;
};
/// What the elements of one tap and channel have in common.
struct TapOffset {
  int row, column, channel;
};

/// The patches [pixels of the scanned image, taps * channels] of a gathered image.
template <class T>
struct PatchSource {
  const T* base;  ///< the gathered images [n, height, width, channels]
  std::int64_t batch_stride = 0;
  std::int64_t image;  ///< elements of one gathered image
  int height, width, channels;
  int pixels, columns;  ///< of the scanned image
  int kernel_width, dilation;
  gpu::Divider by_pixels, by_columns, by_channels, by_kernel_width;
  bool vectors;

  PatchSource(const T* gathered, int h, int w, int c, int scanned_rows, int scanned_columns,
              const Conv2dParams& p)
      : base(gathered),
        image(static_cast<std::int64_t>(h) * w * c),
        height(h),
        width(w),
        channels(c),
        pixels(scanned_rows * scanned_columns),
        columns(scanned_columns),
        kernel_width(static_cast<int>(p.kw)),
        dilation(static_cast<int>(p.dilation)),
        by_pixels(pixels),
        by_columns(columns),
        by_channels(std::max(channels, 1)),
        by_kernel_width(kernel_width),
        vectors(gpu::aligned16(gathered) && channels % gpu::Pack<T>::kSize == 0) {}

  /// The image and the pixel of line `pixel`.
  DEV PatchOrigin<T> scanned(int pixel) const {
    const int n = quotient(by_pixels, pixel), rest = pixel - n * pixels;
    const int row = quotient(by_columns, rest);
    return {base + n * image, row, rest - row * columns};
  }
  /// Position [tap, channel] of a line; distances in pixels.
  DEV TapOffset inner(int position) const {
    const int tap = quotient(by_channels, position), i = quotient(by_kernel_width, tap);
    return {i * dilation, (tap - i * kernel_width) * dilation, position - tap * channels};
  }
  DEV const T* element(const PatchOrigin<T>& at, int row, int column, int channel) const {
    return at.image + ((row * width + column) * channels + channel);
  }
};

/// Patches of x, one per pixel of y.
template <class T, bool kLinesAlongK>
struct ImageSource : PatchSource<T> {
  using Element = T;
  static constexpr bool kAlongK = kLinesAlongK;
  int stride, pad_top, pad_left;

  ImageSource(const Conv2dParams& p, const T* x)
      : PatchSource<T>(x, static_cast<int>(p.h), static_cast<int>(p.w), static_cast<int>(p.ci),
                       static_cast<int>(p.ho), static_cast<int>(p.wo), p),
        stride(static_cast<int>(p.stride)),
        pad_top(static_cast<int>(p.pad_top)),
        pad_left(static_cast<int>(p.pad_left)) {}

  DEV PatchOrigin<T> outer(int pixel) const {
    const PatchOrigin<T> at = this->scanned(pixel);
    return {at.image, at.row * stride - pad_top, at.column * stride - pad_left};
  }
  DEV const T* address(const PatchOrigin<T>& at, const TapOffset& tap) const {
    const int row = at.row + tap.row, column = at.column + tap.column;
    if (row < 0 || row >= this->height || column < 0 || column >= this->width) return nullptr;
    return this->element(at, row, column, tap.channel);
  }
};

/// Patches of gy, one per pixel of x: the outputs that each tap takes this pixel to.
template <class T>
struct GradientSource : PatchSource<T> {
  using Element = T;
  static constexpr bool kAlongK = true;
  int stride, pad_top, pad_left;
  gpu::Divider by_stride;

  GradientSource(const Conv2dParams& p, const T* gy)
      : PatchSource<T>(gy, static_cast<int>(p.ho), static_cast<int>(p.wo), static_cast<int>(p.co),
                       static_cast<int>(p.h), static_cast<int>(p.w), p),
        stride(static_cast<int>(p.stride)),
        pad_top(static_cast<int>(p.pad_top)),
        pad_left(static_cast<int>(p.pad_left)),
        by_stride(stride) {}

  DEV PatchOrigin<T> outer(int pixel) const {
    const PatchOrigin<T> at = this->scanned(pixel);
    return {at.image, at.row + pad_top, at.column + pad_left};
  }
  DEV const T* address(const PatchOrigin<T>& at, const TapOffset& tap) const {
    const int scaled_row = at.row - tap.row, scaled_column = at.column - tap.column;
    if (scaled_row < 0 || scaled_column < 0) return nullptr;
    const int row = quotient(by_stride, scaled_row), column = quotient(by_stride, scaled_column);
    if (row * stride != scaled_row || column * stride != scaled_column) return nullptr;
    if (row >= this->height || column >= this->width) return nullptr;
    return this->element(at, row, column, tap.channel);
  }
};

/// w [co, taps, ci] as the matrix [taps * co, ci]: lines across k.
template <class T>
struct TapWeightSource {
  using Element = T;
  static constexpr bool kAlongK = false;
  const T* base;
  std::int64_t batch_stride = 0;
  int outputs, taps, channels;
  gpu::Divider by_outputs;
  bool vectors;

  TapWeightSource(const Conv2dParams& p, const T* w)
      : base(w),
        outputs(static_cast<int>(p.co)),
        taps(static_cast<int>(p.kh * p.kw)),
        channels(static_cast<int>(p.ci)),
        by_outputs(std::max<std::int64_t>(p.co, 1)),
        vectors(gpu::aligned16(w) && p.ci % gpu::Pack<T>::kSize == 0) {}

  DEV const T* outer(int line) const {
    const int tap = quotient(by_outputs, line), output = line - tap * outputs;
    return base + (output * taps + tap) * channels;
  }
  DEV int inner(int position) const { return position; }
  DEV const T* address(const T* line, int position) const { return line + position; }
};

/// Whether the kernels' 32-bit indices reach: pixels of all images, patches, and one image.
inline bool fits_product(const Conv2dParams& p) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 30;
  const std::int64_t taps = p.kh * p.kw;
  return p.x_image() < kLimit && p.y_image() < kLimit && p.weights() < kLimit &&
         p.dilation * (p.kh + p.kw) < kLimit && p.stride < kLimit &&
         fits_product(p.n * p.ho * p.wo, p.co, taps * p.ci, 1) &&
         fits_product(p.n * p.h * p.w, p.ci, taps * p.co, 1);
}

}  // namespace ito::ITO_GPU_NS
