#include "kernels/conv2d_dx/op.h"

#include "kernels/common/define_op.h"
#include "kernels/conv2d/cpu.h"
#include "kernels/conv2d/products.h"
#include "kernels/conv2d_dw/op.h"

namespace ito {
namespace {

using ops::Conv2dDxAttrs;

struct Conv2dDx {
  static constexpr std::string_view name = "conv2d_dx";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = Conv2dDxAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    check_one_floating_dtype(x);
    const Conv2dParams p = conv2d_params(a.x_shape, x[1].shape, a.conv);
    ITO_CHECK(x[0].shape == output_shape(p), ShapeError, "gy must have the convolution's shape",
              kv("gy", x[0].shape), kv("expected", output_shape(p)));
    return {{a.x_shape, x[0].dtype, x[0].device}};
  }

  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Conv2dParams p = conv2d_params(a.x_shape, x[1].shape(), a.conv);
    return dispatch_float(x[0].dtype(), name, [&]<class T>() -> Tensors {
      using A = Acc<T>;
      return {rounded_sums<T>(a.x_shape, [&](A* gx) {
        const T *gy = x[0].data<T>(), *w = x[1].data<T>();
        for_each_product(p, [&](int64_t i, int64_t j, int64_t k) {
          gx[i] += static_cast<A>(gy[k]) * static_cast<A>(w[j]);
        });
      })};
    });
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Conv2dParams p = conv2d_params(a.x_shape, x[1].shape(), a.conv);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      conv2d_cpu(launch, ConvDirection::dx, p,
                 Conv2dArrays<T>{y[0].data<T>(), x[1].data<T>(), x[0].data<T>(), nullptr,
                                 x[1].storage().get()});
    });
  }

  /// <u, dx(gy, w)> = <gy, conv2d(u, w)>, linear in gy and in w.
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Tensor& u = g.grad_out[0];
    Tensors result(2);
    if (g.needs[0]) result[0] = ops::conv2d(u, g.inputs[1], {}, a.conv);
    if (g.needs[1]) result[1] = ops::conv2d_dw(u, g.inputs[0], g.input_specs[1].shape, a.conv);
    return result;
  }

  static Sample sample_of(const Conv2dCase& c) {
    const Conv2dParams p = conv2d_params(c.x, c.w, c.attrs);
    return {c.id, {normal(output_shape(p)), normal(c.w)}, attrs(Attrs{c.attrs, c.x}), c.gradients};
  }
  static Samples samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_cases()) list.push_back(sample_of(c));
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs plain = attrs(Attrs{{}, {1, 5, 5, 2}});
    const Shape gy{1, 3, 3, 4}, w{4, 3, 3, 2};
    return {{{"gy", {normal({1, 4, 3, 4}), normal(w)}, plain}, "convolution's shape"},
            {{"channels", {normal(gy), normal({4, 3, 3, 3})}, plain}, "channels of x and weights"},
            {{"dtypes", {normal(gy), as(normal(w), DType::f64)}, plain}, "one dtype"}};
  }
  static Samples bench_samples() {
    Samples list;
    for (const Conv2dCase& c : conv2d_bench_cases()) list.push_back(sample_of(c));
    return list;
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs& a) {
    return conv2d_cost(conv2d_params(a.x_shape, x[1].shape, a.conv), x[0].dtype);
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Conv2dDx, conv2d_dx)

namespace ito::ops {

Tensor conv2d_dx(const Tensor& gy, const Tensor& w, const Shape& x_shape,
                 const Conv2dAttrs& attrs) {
  return call(op_conv2d_dx(), {gy, w}, Conv2dDxAttrs{attrs, x_shape})[0];
}

}  // namespace ito::ops
