#include "kernels/conv2d_dw/op.h"

#include <algorithm>

#include "kernels/common/define_op.h"
#include "kernels/conv2d/cpu.h"
#include "kernels/conv2d/products.h"
#include "kernels/conv2d_dx/op.h"

namespace ito {
namespace {

using ops::Conv2dDwAttrs;

struct Conv2dDw {
  static constexpr std::string_view name = "conv2d_dw";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = Conv2dDwAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    check_one_floating_dtype(x);
    const Conv2dParams p = conv2d_params(x[0].shape, a.w_shape, a.conv);
    ITO_CHECK(x[1].shape == output_shape(p), ShapeError, "gy must have the convolution's shape",
              kv("gy", x[1].shape), kv("expected", output_shape(p)));
    return {{a.w_shape, x[0].dtype, x[0].device}};
  }

  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Conv2dParams p = conv2d_params(x[0].shape(), a.w_shape, a.conv);
    return dispatch_float(x[0].dtype(), name, [&]<class T>() -> Tensors {
      using A = Acc<T>;
      return {rounded_sums<T>(a.w_shape, [&](A* gw) {
        const T *px = x[0].data<T>(), *gy = x[1].data<T>();
        for_each_product(p, [&](int64_t i, int64_t j, int64_t k) {
          gw[j] += static_cast<A>(px[i]) * static_cast<A>(gy[k]);
        });
      })};
    });
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Conv2dParams p = conv2d_params(x[0].shape(), a.w_shape, a.conv);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      if (p.n == 0) {
        std::fill_n(y[0].data<T>(), y[0].numel(), T{});
        return;
      }
      conv2d_cpu(launch, ConvDirection::dw, p,
                 Conv2dArrays<T>{x[0].data<T>(), y[0].data<T>(), x[1].data<T>(), nullptr});
    });
  }

  /// <u, dw(x, gy)> = <gy, conv2d(x, u)>, linear in x and in gy.
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Tensor& u = g.grad_out[0];
    Tensors result(2);
    if (g.needs[0]) result[0] = ops::conv2d_dx(g.inputs[1], u, g.input_specs[0].shape, a.conv);
    if (g.needs[1]) result[1] = ops::conv2d(g.inputs[0], u, {}, a.conv);
    return result;
  }

  static Sample sample_of(const Conv2dCase& c) {
    const Conv2dParams p = conv2d_params(c.x, c.w, c.attrs);
    return {c.id, {normal(c.x), normal(output_shape(p))}, attrs(Attrs{c.attrs, c.w}), c.gradients};
  }
  static Samples samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_cases()) list.push_back(sample_of(c));
    const Conv2dCase several_sums{"several_sums", {35, 6, 5, 3}, {4, 3, 3, 3}, {}};
    list.push_back(sample_of(several_sums));
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs plain = attrs(Attrs{{}, {4, 3, 3, 2}});
    const Shape x{1, 5, 5, 2}, gy{1, 3, 3, 4};
    return {{{"gy", {normal(x), normal({1, 4, 3, 4})}, plain}, "convolution's shape"},
            {{"channels", {normal({1, 5, 5, 3}), normal(gy)}, plain}, "channels of x and weights"},
            {{"dtypes", {normal(x), as(normal(gy), DType::f64)}, plain}, "one dtype"}};
  }
  static Samples bench_samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_bench_cases()) list.push_back(sample_of(c));
    return list;
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs& a) {
    return conv2d_cost(conv2d_params(x[0].shape, a.w_shape, a.conv), x[0].dtype);
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Conv2dDw, conv2d_dw)

namespace ito::ops {

Tensor conv2d_dw(const Tensor& x, const Tensor& gy, const Shape& w_shape,
                 const Conv2dAttrs& attrs) {
  return call(op_conv2d_dw(), {x, gy}, Conv2dDwAttrs{attrs, w_shape})[0];
}

}  // namespace ito::ops
