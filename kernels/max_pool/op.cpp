#include "kernels/max_pool/op.h"

#include <cmath>

#include "kernels/common/define_op.h"
#include "kernels/max_pool/cpu.h"
#include "kernels/max_pool/plain.h"
#include "kernels/max_pool_dx/op.h"

namespace ito {

using ops::MaxPoolAttrs;

PoolGeometry pool_geometry(const Shape& x, const MaxPoolAttrs& a) {
  ITO_CHECK(x.rank() == 4, ShapeError, "x must be [N, H, W, C]", kv("x", x));
  ITO_CHECK(1 <= a.kernel && a.kernel <= kMaxPoolKernel, ShapeError,
            "windows must have 1 to 15 pixels a side", kv("kernel", a.kernel));
  ITO_CHECK(a.stride >= 1, ShapeError, "stride must be positive", kv("stride", a.stride));
  ITO_CHECK(a.pad >= 0 && 2 * a.pad <= a.kernel, ShapeError,
            "padding must be 0 to half a window, so that every window holds a pixel",
            kv("pad", a.pad), kv("kernel", a.kernel));
  const auto axis = [&](int64_t size) {
    ITO_CHECK(a.kernel - 2 * a.pad <= size && 1 <= size && size <= 1 << 20, ShapeError,
              "the windows do not fit the image", kv("size", size), kv("kernel", a.kernel),
              kv("pad", a.pad));
    const auto in = static_cast<int>(size);
    return PoolAxis{.in = in,
                    .out = (in + 2 * a.pad - a.kernel) / a.stride + 1,
                    .kernel = a.kernel,
                    .stride = a.stride,
                    .pad = a.pad};
  };
  return {.n = x[0], .c = x[3], .rows = axis(x[1]), .columns = axis(x[2])};
}

namespace {

struct MaxPool {
  static constexpr std::string_view name = "max_pool";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = MaxPoolAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    const PoolGeometry g = pool_geometry(x[0].shape, a);
    if (x[1].present) {
      ITO_CHECK(x[1].dtype == x[0].dtype, DTypeError, "x and keys must have one dtype",
                kv("x", x[0].dtype), kv("keys", x[1].dtype));
      ITO_CHECK(x[1].shape == x[0].shape, ShapeError, "keys must have the shape of x",
                kv("x", x[0].shape), kv("keys", x[1].shape));
    }
    return {{g.windows(), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const PoolGeometry g = pool_geometry(x[0].shape(), a);
    Tensor y = Tensor::empty(g.windows(), x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      const T* keys = (x[1] ? x[1] : x[0]).data<T>();
      for (int64_t o = 0; o < y.numel(); ++o) {
        y.data<T>()[o] = x[0].data<T>()[chosen_pixel(g, keys, o)];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const PoolGeometry g = pool_geometry(x[0].shape(), a);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      max_pool_cpu(g, x[0].data<T>(), (x[1] ? x[1] : x[0]).data<T>(), y[0].data<T>());
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Tensor& keys = g.inputs[1] ? g.inputs[1] : g.inputs[0];
    return {ops::max_pool_dx(g.grad_out[0], keys.detach(), a), Tensor()};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, Attrs a, bool gradients = true) {
      return Sample{id, {normal(x), absent()}, attrs(a), gradients};
    };
    const auto keyed = [](const char* id, Shape x, Attrs a) {
      return Sample{id, {normal(x), constant(normal(x))}, attrs(a)};
    };
    Sample ties = sample("ties", {1, 3, 4, 2}, {3, 1, 1}, false);
    ties.inputs[0] = values({1, 3, 4, 2}, std::vector<double>(24, 0.5));
    Sample nan = sample("nan", {1, 3, 3, 1}, {3, 1, 1}, false);
    nan.inputs[0] = values({1, 3, 3, 1}, {1, 2, 3, 4, NAN, 5, 6, NAN, 7});
    Samples list;
    for (const PoolCase& c : kPoolCases) list.push_back(sample(c.id, c.x, c.attrs, !c.large));
    list.push_back(sample("no_channels", {2, 4, 4, 0}, {5, 1, 2}));
    list.push_back(keyed("keys", {2, 6, 5, 3}, {5, 1, 2}));
    list.push_back(keyed("keys_stride", {1, 7, 6, 9}, {3, 2, 1}));
    list.push_back(ties);
    list.push_back(nan);
    return list;
  }
  static ErrorSamples errors() {
    const auto plain = [](const char* id, Shape x, Attrs a) {
      return Sample{id, {normal(x), absent()}, attrs(a)};
    };
    const Shape x{1, 4, 4, 2};
    return {{plain("rank", {4, 4, 2}, {}), "x must be [N, H, W, C]"},
            {plain("kernel", x, {16, 1, 0}), "1 to 15 pixels"},
            {plain("no_kernel", x, {0, 1, 0}), "1 to 15 pixels"},
            {plain("stride", x, {2, 0, 0}), "stride must be positive"},
            {plain("pad", x, {3, 1, 2}), "half a window"},
            {plain("large", x, {7, 1, 1}), "do not fit the image"},
            {plain("no_rows", {1, 0, 4, 2}, {2, 1, 1}), "do not fit the image"},
            {{"dtype", {as(normal(x), DType::i64), absent()}, attrs(Attrs{})}, "floating dtype"},
            {{"keys", {normal(x), normal({1, 4, 4, 3})}, attrs(Attrs{})}, "shape of x"},
            {{"dtypes", {normal(x), as(normal(x), DType::f64)}, attrs(Attrs{})}, "one dtype"}};
  }
  static Samples bench_samples() {
    return {{"8x32x32x128", {normal({8, 32, 32, 128}), absent()}, attrs(Attrs{5, 1, 2})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs& a) {
    const auto windows = static_cast<double>(y[0].shape.numel());
    return {(static_cast<double>(x[0].shape.numel()) * (x[1].present ? 2 : 1) + windows) *
                static_cast<double>(size_of(y[0].dtype)),
            windows * a.kernel * a.kernel};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(MaxPool, max_pool)

namespace ito::ops {

Tensor max_pool(const Tensor& x, const Tensor& keys, const MaxPoolAttrs& attrs) {
  return call(op_max_pool(), {x, keys}, attrs)[0];
}

Tensor max_pool(const Tensor& x, const MaxPoolAttrs& attrs) { return max_pool(x, {}, attrs); }

}  // namespace ito::ops
