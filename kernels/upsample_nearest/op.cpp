#include "kernels/upsample_nearest/op.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/mean_pool/op.h"
#include "kernels/unary/op.h"
#include "kernels/upsample_nearest/params.h"

namespace ito {
namespace {

/// One row of W pixels becomes k rows of kW pixels.
template <class T>
void repeat_row(const T* x, T* y, int64_t width, int64_t channels, int64_t k) {
  for (int64_t i = 0; i < width * k; ++i) {
    std::copy_n(x + i / k * channels, channels, y + i * channels);
  }
  const int64_t row = width * k * channels;
  for (int64_t j = 1; j < k; ++j) std::copy_n(y, row, y + j * row);
}

struct UpsampleNearest {
  static constexpr std::string_view name = "upsample_nearest";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = UpsampleAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const Shape& s = x[0].shape;
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(s.rank() == 4, ShapeError, "x must be [N, H, W, C]", kv("x", s));
    ITO_CHECK(a.k >= 1, ShapeError, "factor must be at least 1", kv("k", a.k));
    return {{{s[0], s[1] * a.k, s[2] * a.k, s[3]}, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape& s = x[0].shape();
    const int64_t height = s[1] * a.k, width = s[2] * a.k, channels = s[3];
    Tensor y = Tensor::empty({s[0], height, width, channels}, x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        const int64_t c = i % channels, w = i / channels % width;
        const int64_t h = i / (channels * width) % height, n = i / (channels * width * height);
        y.data<T>()[i] = x[0].data<T>()[((n * s[1] + h / a.k) * s[2] + w / a.k) * channels + c];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Shape& s = x[0].shape();
    const int64_t row = s[2] * s[3];
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      parallel_ranges(s[0] * s[1], (1 << 14) / (row * a.k * a.k), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          repeat_row(x[0].data<T>() + r * row, y[0].data<T>() + r * row * a.k * a.k, s[2], s[3],
                     a.k);
        }
      });
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {static_cast<double>(a.k * a.k) * ops::mean_pool(g.grad_out[0], a.k)};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int64_t k, bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{k}), gradients};
    };
    return {sample("2x3x5x7", {2, 3, 5, 7}, 2),   sample("grey", {2, 4, 3, 1}, 2),
            sample("rgb", {1, 3, 3, 3}, 2),       sample("by_3", {2, 2, 3, 5}, 3),
            sample("wide", {2, 3, 2, 8}, 2),      sample("by_1", {2, 2, 3, 5}, 1),
            sample("one_pixel", {2, 1, 1, 4}, 4), sample("empty", {0, 3, 3, 2}, 2),
            sample("no_rows", {2, 0, 3, 2}, 2),   sample("long", {3, 31, 33, 17}, 2, false)};
  }
  static ErrorSamples errors() {
    return {{{"rank", {normal({2, 3, 3})}, attrs(Attrs{2})}, "x must be [N, H, W, C]"},
            {{"k", {normal({2, 3, 3, 1})}, attrs(Attrs{0})}, "factor must be at least 1 (k=0)"}};
  }
  static Samples bench_samples() {
    return {{"8x16x16x256", {normal({8, 16, 16, 256})}, attrs(Attrs{2})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(UpsampleNearest, upsample_nearest)

namespace ito::ops {

Tensor upsample_nearest(const Tensor& x, int64_t k) {
  return call(op_upsample_nearest(), {x}, UpsampleAttrs{k})[0];
}

}  // namespace ito::ops
