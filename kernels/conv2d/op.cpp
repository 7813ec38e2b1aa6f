#include "kernels/conv2d/op.h"

#include "kernels/common/define_op.h"
#include "kernels/conv2d/cpu.h"
#include "kernels/conv2d/products.h"
#include "kernels/conv2d_dw/op.h"
#include "kernels/conv2d_dx/op.h"

namespace ito {

using ops::Conv2dAttrs;

Conv2dParams conv2d_params(const Shape& x, const Shape& w, const Conv2dAttrs& a) {
  ITO_CHECK(x.rank() == 4, ShapeError, "x must be [N, H, W, Ci]", kv("x", x));
  ITO_CHECK(w.rank() == 4, ShapeError, "weights must be [Co, Kh, Kw, Ci]", kv("w", w));
  ITO_CHECK(w[3] == x[3], ShapeError, "channels of x and weights must agree", kv("x", x[3]),
            kv("w", w[3]));
  ITO_CHECK(w[1] > 0 && w[2] > 0, ShapeError, "the kernel must have at least one tap", kv("w", w));
  ITO_CHECK(a.stride > 0 && a.dilation > 0, ShapeError, "stride and dilation must be positive",
            kv("stride", a.stride), kv("dilation", a.dilation));
  ITO_CHECK(a.pad_top >= 0 && a.pad_left >= 0 && a.pad_bottom >= 0 && a.pad_right >= 0, ShapeError,
            "padding must not be negative", kv("top", a.pad_top), kv("left", a.pad_left),
            kv("bottom", a.pad_bottom), kv("right", a.pad_right));
  const int64_t free_rows = x[1] + a.pad_top + a.pad_bottom - a.dilation * (w[1] - 1) - 1;
  const int64_t free_cols = x[2] + a.pad_left + a.pad_right - a.dilation * (w[2] - 1) - 1;
  ITO_CHECK(free_rows >= 0 && free_cols >= 0, ShapeError, "the kernel is larger than the image",
            kv("x", x), kv("w", w), kv("dilation", a.dilation));
  return {.n = x[0],
          .h = x[1],
          .w = x[2],
          .ci = x[3],
          .ho = free_rows / a.stride + 1,
          .wo = free_cols / a.stride + 1,
          .co = w[0],
          .kh = w[1],
          .kw = w[2],
          .stride = a.stride,
          .dilation = a.dilation,
          .pad_top = a.pad_top,
          .pad_left = a.pad_left,
          .pad_bottom = a.pad_bottom,
          .pad_right = a.pad_right};
}

void check_one_floating_dtype(const Specs& inputs) {
  ITO_CHECK(is_floating(inputs[0].dtype), DTypeError, "needs a floating dtype",
            kv("got", inputs[0].dtype));
  for (const Spec& s : inputs) {
    ITO_CHECK(!s.present || s.dtype == inputs[0].dtype, DTypeError,
              "all inputs must have one dtype", kv("first", inputs[0].dtype), kv("other", s.dtype));
  }
}

std::vector<Conv2dCase> conv2d_cases() {
  const Conv2dAttrs same3{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  Conv2dAttrs wide3 = same3;
  wide3.pad_top = wide3.pad_bottom = 3;
  return {
      {"same3", {2, 5, 4, 3}, {6, 3, 3, 3}, same3},
      {"one_channel_in", {2, 5, 5, 1}, {7, 3, 3, 1}, same3},
      {"one_channel_out", {1, 6, 3, 5}, {1, 3, 3, 5}, same3},
      {"pointwise", {3, 4, 3, 6}, {5, 1, 1, 6}, {}},
      {"valid5", {1, 7, 6, 2}, {3, 5, 5, 2}, {}},
      {"stride2", {2, 7, 8, 3}, {4, 3, 3, 3}, {.stride = 2, .pad_top = 1, .pad_left = 1}},
      // The down-sampling of DDPM: one row and column below and to the right.
      {"down", {2, 6, 6, 3}, {3, 3, 3, 3}, {.stride = 2, .pad_bottom = 1, .pad_right = 1}},
      {"pointwise_stride3", {2, 7, 5, 2}, {3, 1, 1, 2}, {.stride = 3}},
      {"dilation2", {1, 7, 6, 3}, {2, 3, 3, 3}, {1, 2, 2, 2, 2, 2}},
      {"dilation3_stride2", {1, 9, 8, 2}, {3, 3, 2, 2}, {2, 3, 3, 0, 1, 2}},
      {"padding_beyond_kernel", {1, 3, 3, 2}, {2, 3, 3, 2}, wide3},
      {"row_kernel", {2, 3, 9, 2}, {3, 1, 4, 2}, {.pad_left = 2, .pad_right = 1}},
      {"one_pixel", {3, 1, 1, 4}, {5, 3, 3, 4}, same3},
      {"four_pixels", {3, 2, 2, 97}, {99, 3, 3, 97}, same3, false},
      {"no_images", {0, 4, 4, 3}, {2, 3, 3, 3}, same3},
      {"odd_channels", {2, 9, 8, 33}, {37, 3, 3, 33}, same3, false},
      {"many_channels", {3, 8, 8, 64}, {96, 3, 3, 64}, same3, false},
      {"even_kernel", {2, 8, 9, 16}, {24, 4, 2, 16}, {.pad_top = 2, .pad_bottom = 1}, false},
      {"bands", {2, 39, 33, 48}, {64, 3, 3, 48}, same3, false},
      {"bands_dilated", {1, 40, 33, 32}, {64, 3, 3, 32}, {1, 2, 2, 2, 2, 2}, false},
      {"bands_stride2", {1, 61, 62, 32}, {64, 3, 3, 32}, {.stride = 2, .pad_top = 1}, false},
  };
}

std::vector<Conv2dCase> conv2d_bench_cases() {
  const Conv2dAttrs same3{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  return {{"n8_32x32_128_128", {8, 32, 32, 128}, {128, 3, 3, 128}, same3},
          {"n1_32x32_128_128", {1, 32, 32, 128}, {128, 3, 3, 128}, same3},
          {"n64_16x16_32_32", {64, 16, 16, 32}, {32, 3, 3, 32}, same3},
          {"n64_16x16_32_64", {64, 16, 16, 32}, {64, 3, 3, 32}, same3},
          {"n8_16x16_256_256", {8, 16, 16, 256}, {256, 3, 3, 256}, same3},
          {"n1_16x16_256_256", {1, 16, 16, 256}, {256, 3, 3, 256}, same3},
          {"n8_16x16_512_256", {8, 16, 16, 512}, {256, 3, 3, 512}, same3},
          {"n8_8x8_256_256", {8, 8, 8, 256}, {256, 3, 3, 256}, same3},
          {"n8_32x32_3_128", {8, 32, 32, 3}, {128, 3, 3, 3}, same3},
          {"n8_32x32_128_3", {8, 32, 32, 128}, {3, 3, 3, 128}, same3},
          {"n8_32x32_pointwise", {8, 32, 32, 128}, {128, 1, 1, 128}, {}}};
}

namespace {

struct Conv2d {
  static constexpr std::string_view name = "conv2d";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = Conv2dAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 3u}; }

  static Specs infer(const Specs& x, const Attrs& a) {
    check_one_floating_dtype(x);
    const Conv2dParams p = conv2d_params(x[0].shape, x[1].shape, a);
    ITO_CHECK(!x[2].present || x[2].shape == Shape{p.co}, ShapeError, "bias must be [Co]",
              kv("Co", p.co), kv("bias", x[2].shape));
    return {{output_shape(p), x[0].dtype, x[0].device}};
  }

  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Conv2dParams p = conv2d_params(x[0].shape(), x[1].shape(), a);
    return dispatch_float(x[0].dtype(), name, [&]<class T>() -> Tensors {
      using A = Acc<T>;
      return {rounded_sums<T>(output_shape(p), [&](A* y) {
        const T *px = x[0].data<T>(), *pw = x[1].data<T>();
        for (int64_t k = 0; x[2] && k < p.n * p.y_image(); ++k) {
          y[k] = static_cast<A>(x[2].data<T>()[k % p.co]);
        }
        for_each_product(p, [&](int64_t i, int64_t j, int64_t k) {
          y[k] += static_cast<A>(px[i]) * static_cast<A>(pw[j]);
        });
      })};
    });
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Conv2dParams p = conv2d_params(x[0].shape(), x[1].shape(), a);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      conv2d_cpu(launch, ConvDirection::forward, p,
                 Conv2dArrays<T>{x[0].data<T>(), x[1].data<T>(), y[0].data<T>(),
                                 x[2] ? x[2].data<T>() : nullptr, x[1].storage().get()});
    });
  }

  /// The bias was repeated over images and pixels; the tape sums its gradient.
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Tensor& gy = g.grad_out[0];
    Tensors result(3);
    if (g.needs[0]) result[0] = ops::conv2d_dx(gy, g.inputs[1], g.input_specs[0].shape, a);
    if (g.needs[1]) result[1] = ops::conv2d_dw(g.inputs[0], gy, g.input_specs[1].shape, a);
    if (g.needs[2]) result[2] = gy;
    return result;
  }

  static Samples samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_cases()) {
      const bool bias = list.size() % 3 != 2;
      list.push_back({c.id,
                      {normal(c.x), normal(c.w), bias ? normal({c.w[0]}) : absent()},
                      attrs(c.attrs),
                      c.gradients});
    }
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs plain = attrs(Attrs{});
    const auto input = [](Shape x, Shape w) { return std::vector{normal(x), normal(w), absent()}; };
    const Shape x{1, 4, 4, 3}, w{2, 3, 3, 3};
    return {
        {{"rank", input({4, 4, 3}, w), plain}, "x must be [N, H, W, Ci]"},
        {{"weights", input(x, {3, 3, 3}), plain}, "weights must be"},
        {{"channels", input(x, {2, 3, 3, 4}), plain}, "channels of x and weights"},
        {{"taps", input(x, {2, 0, 3, 3}), plain}, "at least one tap"},
        {{"large", input(x, {2, 5, 5, 3}), plain}, "larger than the image"},
        {{"stride", input(x, w), attrs(Attrs{.stride = 0})}, "must be positive"},
        {{"padding", input(x, w), attrs(Attrs{.pad_left = -1})}, "must not be negative"},
        {{"bias", {normal(x), normal(w), normal({3})}, plain}, "bias must be [Co]"},
        {{"dtypes", {normal(x), as(normal(w), DType::f64), absent()}, plain}, "one dtype"},
    };
  }
  static Samples bench_samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_bench_cases()) {
      list.push_back({c.id, {normal(c.x), normal(c.w), normal({c.w[0]})}, attrs(c.attrs)});
    }
    return list;
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs& a) {
    return conv2d_cost(conv2d_params(x[0].shape, x[1].shape, a), x[0].dtype);
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Conv2d, conv2d)

namespace ito::ops {

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dAttrs& attrs) {
  return call(op_conv2d(), {x, w, bias}, attrs)[0];
}

}  // namespace ito::ops
