// The definition of convolution as a list of products, from which the plain loops of conv2d,
// conv2d_dx and conv2d_dw are made, and what the three share in their tables of samples.
#pragma once

#include <vector>

#include "kernels/common/define_op.h"
#include "kernels/conv2d/params.h"

namespace ito {

/// Calls body(i, j, k) for every product x[i] w[j] that y[k] sums; flat indices.
template <class Body>
void for_each_product(const Conv2dParams& p, Body&& body) {
  for (int64_t pixel = 0; pixel < p.n * p.ho * p.wo; ++pixel) {
    const int64_t n = pixel / (p.ho * p.wo), r = pixel / p.wo % p.ho, s = pixel % p.wo;
    for (int64_t tap = 0; tap < p.kh * p.kw; ++tap) {
      const int64_t row = r * p.stride - p.pad_top + tap / p.kw * p.dilation;
      const int64_t col = s * p.stride - p.pad_left + tap % p.kw * p.dilation;
      if (row < 0 || row >= p.h || col < 0 || col >= p.w) continue;
      const int64_t x = ((n * p.h + row) * p.w + col) * p.ci;
      for (int64_t o = 0; o < p.co; ++o) {
        const int64_t w = (o * p.kh * p.kw + tap) * p.ci;
        for (int64_t c = 0; c < p.ci; ++c) body(x + c, w + c, pixel * p.co + o);
      }
    }
  }
}

/// A tensor of sums in the accumulation type, rounded once at the end. add(sums) fills them.
template <class T, class Add>
Tensor rounded_sums(const Shape& shape, Add&& add) {
  std::vector<Acc<T>> sums(static_cast<size_t>(shape.numel()), Acc<T>(0));
  add(sums.data());
  Tensor result = Tensor::empty(shape, dtype_of<T>());
  for (int64_t i = 0; i < shape.numel(); ++i) {
    result.data<T>()[i] = static_cast<T>(sums[static_cast<size_t>(i)]);
  }
  return result;
}

/// One convolution of the tables: sizes, weights and attributes.
struct Conv2dCase {
  const char* id;
  Shape x, w;
  ops::Conv2dAttrs attrs;
  bool gradients = true;
};

/// Odd sizes, every kind of padding, strides, dilation, no images, several bands of rows.
std::vector<Conv2dCase> conv2d_cases();
/// What the benchmarks time.
std::vector<Conv2dCase> conv2d_bench_cases();

/// Least memory traffic of one convolution, and its arithmetic.
inline Cost conv2d_cost(const Conv2dParams& p, DType dtype) {
  const auto elements = static_cast<double>(p.n * (p.x_image() + p.y_image()) + p.weights());
  return {elements * static_cast<double>(size_of(dtype)), static_cast<double>(p.n) * p.flops()};
}

/// Throws DTypeError unless all inputs that are there have one floating dtype.
void check_one_floating_dtype(const Specs& inputs);

}  // namespace ito
