#include "kernels/bilinear_resize/op.h"

#include <algorithm>
#include <cmath>

#include "kernels/bilinear_resize/cpu.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

using ops::ResizeAttrs;
using ops::ResizeMap;

/// h(place - i), place = r (n - 1) / (m - 1): what interpolation of n pixels at m places gives
/// source pixel i in target r.
double hat(int64_t n, int64_t m, int64_t r, int64_t i) {
  const double place = m > 1 ? static_cast<double>(r * (n - 1)) / static_cast<double>(m - 1) : 0;
  return std::max(0.0, 1 - std::abs(place - static_cast<double>(i)));
}

struct BilinearResize {
  static constexpr std::string_view name = "bilinear_resize";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = ResizeAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const Shape& s = x[0].shape;
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(s.rank() == 4, ShapeError, "x must be [N, H, W, C]", kv("x", s));
    for (const int64_t size : {s[1], s[2], a.height, a.width}) {
      ITO_CHECK(1 <= size && size <= kMaxResize, ShapeError,
                "height and width must be 1 to 32768 pixels", kv("x", s), kv("height", a.height),
                kv("width", a.width));
    }
    return {{{s[0], a.height, a.width, s[3]}, x[0].dtype, x[0].device}};
  }
  /// All products of the two matrices of weights, zero or not.
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape &in = x[0].shape(), out{in[0], a.height, a.width, in[3]};
    Tensor y = Tensor::empty(out, x[0].dtype());
    const auto weight = [&](int axis, int64_t o, int64_t i) {
      return a.map == ResizeMap::interpolate ? hat(in[axis], out[axis], o, i)
                                             : hat(out[axis], in[axis], i, o);
    };
    dispatch_float(y.dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      for (int64_t o = 0; o < y.numel(); ++o) {
        const int64_t c = o % out[3], s = o / out[3] % out[2];
        const int64_t r = o / (out[3] * out[2]) % out[1], n = o / (out[3] * out[2] * out[1]);
        A sum = 0;
        for (int64_t i = 0; i < in[1]; ++i) {
          for (int64_t j = 0; j < in[2]; ++j) {
            const A w = static_cast<A>(weight(1, r, i)) * static_cast<A>(weight(2, s, j));
            if (w == 0) continue;
            sum += w * static_cast<A>(x[0].data<T>()[((n * in[1] + i) * in[2] + j) * in[3] + c]);
          }
        }
        y.data<T>()[o] = static_cast<T>(sum);
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Shape &in = x[0].shape(), &out = y[0].shape();
    const ResizeGeometry g{in, out, resize_axis(in[1], out[1], a.map),
                           resize_axis(in[2], out[2], a.map)};
    dispatch_float(y[0].dtype(), name,
                   [&]<class T>() { bilinear_resize_cpu(g, x[0].data<T>(), y[0].data<T>()); });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Shape& x = g.input_specs[0].shape;
    return {a.map == ResizeMap::interpolate
                ? ops::bilinear_resize_adjoint(g.grad_out[0], x[1], x[2])
                : ops::bilinear_resize(g.grad_out[0], x[1], x[2])};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int64_t height, int64_t width,
                           ResizeMap map = ResizeMap::interpolate, bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{height, width, map}), gradients};
    };
    constexpr ResizeMap kAdjoint = ResizeMap::adjoint;
    return {sample("double", {2, 3, 4, 5}, 6, 8),
            sample("vector_channels", {1, 3, 2, 16}, 5, 3),
            sample("odd", {1, 5, 7, 3}, 8, 11),
            sample("shrink", {2, 7, 9, 2}, 4, 2),
            sample("same", {1, 4, 3, 2}, 4, 3),
            sample("mixed", {1, 2, 9, 4}, 7, 3),
            sample("from_one_pixel", {2, 1, 1, 3}, 4, 5),
            sample("to_one_pixel", {2, 4, 3, 3}, 1, 1),
            sample("to_one_row", {1, 4, 3, 2}, 1, 5),
            sample("no_images", {0, 2, 2, 3}, 4, 4),
            sample("no_channels", {2, 2, 2, 0}, 4, 4),
            sample("long", {2, 17, 9, 35}, 34, 18, ResizeMap::interpolate, false),
            sample("adjoint_double", {2, 6, 8, 5}, 3, 4, kAdjoint),
            sample("adjoint_odd", {1, 8, 11, 8}, 5, 7, kAdjoint),
            sample("adjoint_shrink", {2, 4, 2, 3}, 7, 9, kAdjoint),
            sample("adjoint_to_one_pixel", {2, 4, 5, 3}, 1, 1, kAdjoint),
            sample("adjoint_from_one_pixel", {2, 1, 1, 3}, 4, 3, kAdjoint),
            sample("adjoint_long", {2, 34, 18, 35}, 17, 9, kAdjoint, false)};
  }
  static ErrorSamples errors() {
    const auto to = [](int64_t height, int64_t width) { return attrs(Attrs{height, width}); };
    return {{{"rank", {normal({2, 3, 3})}, to(4, 4)}, "x must be [N, H, W, C]"},
            {{"height", {normal({1, 3, 3, 1})}, to(0, 4)}, "1 to 32768 pixels"},
            {{"width", {normal({1, 3, 3, 1})}, to(4, 40000)}, "1 to 32768 pixels"},
            {{"no_rows", {normal({1, 0, 3, 1})}, to(4, 4)}, "1 to 32768 pixels"},
            {{"dtype", {as(normal({1, 3, 3, 1}), DType::i64)}, to(4, 4)}, "floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"8x16x16x256_to_32", {normal({8, 16, 16, 256})}, attrs(Attrs{32, 32})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto in = static_cast<double>(x[0].shape.numel());
    const auto out = static_cast<double>(y[0].shape.numel());
    return {(in + out) * static_cast<double>(size_of(y[0].dtype)), 8 * std::max(in, out)};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(BilinearResize, bilinear_resize)

namespace ito::ops {

Tensor bilinear_resize(const Tensor& x, int64_t height, int64_t width) {
  return call(op_bilinear_resize(), {x},
              ResizeAttrs{.height = height, .width = width, .map = ResizeMap::interpolate})[0];
}

Tensor bilinear_resize_adjoint(const Tensor& gy, int64_t height, int64_t width) {
  return call(op_bilinear_resize(), {gy},
              ResizeAttrs{.height = height, .width = width, .map = ResizeMap::adjoint})[0];
}

}  // namespace ito::ops
