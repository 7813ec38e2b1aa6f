#include "kernels/scaled_sum/op.h"

#include <cmath>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/scaled_sum/params.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

template <class T>
void run(const ScaledSumAttrs& attrs, int64_t n, const T* x, const T* y, T* z) {
  using A = Acc<T>;
  const A a = static_cast<A>(attrs.a), b = static_cast<A>(attrs.b);
  parallel_ranges(n, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      z[i] = static_cast<T>(std::fma(a, static_cast<A>(x[i]), b * static_cast<A>(y[i])));
    }
  });
}

struct ScaledSum {
  static constexpr std::string_view name = "scaled_sum";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = ScaledSumAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype) && x[0].dtype == x[1].dtype, DTypeError,
              "x and y must have one floating dtype", kv("x", x[0].dtype), kv("y", x[1].dtype));
    ITO_CHECK(x[0].shape == x[1].shape, ShapeError, "x and y must have one shape",
              kv("x", x[0].shape), kv("y", x[1].shape));
    return {x[0]};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor z = Tensor::empty(x[0].shape(), x[0].dtype());
    dispatch_float(z.dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      for (int64_t i = 0; i < z.numel(); ++i) {
        z.data<T>()[i] = static_cast<T>(static_cast<A>(a.a) * static_cast<A>(x[0].data<T>()[i]) +
                                        static_cast<A>(a.b) * static_cast<A>(x[1].data<T>()[i]));
      }
    });
    return {z};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& z, const Attrs& a) {
    dispatch_float(z[0].dtype(), name, [&]<class T>() {
      run(a, z[0].numel(), x[0].data<T>(), x[1].data<T>(), z[0].data<T>());
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const auto scaled = [&](double k) { return k == 1 ? g.grad_out[0] : k * g.grad_out[0]; };
    const Tensor gx = g.needs[0] ? scaled(a.a) : Tensor();
    return {gx, !g.needs[1] ? Tensor() : gx && a.a == a.b ? gx : scaled(a.b)};
  }
  static Samples samples() {
    const AnyAttrs half = attrs(Attrs{0.7071, 0.7071});
    return {{"3x7", {normal({3, 7}), normal({3, 7})}, half},
            {"different", {normal({2, 3, 5}), normal({2, 3, 5})}, attrs(Attrs{2, -0.5})},
            {"plain", {normal({33}), normal({33})}, attrs(Attrs{})},
            {"long", {normal({70001}), normal({70001})}, half, false},
            {"scalar", {normal(Shape{}), normal(Shape{})}, half},
            {"empty", {normal({0, 3}), normal({0, 3})}, half}};
  }
  static ErrorSamples errors() {
    return {{{"shape", {normal({3}), normal({4})}, attrs(Attrs{})}, "one shape"},
            {{"dtype", {normal({3}), as(normal({3}), DType::i64)}, attrs(Attrs{})},
             "one floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"8x32x32x128", {normal({8, 32, 32, 128}), normal({8, 32, 32, 128})}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {3 * n * static_cast<double>(size_of(x[0].dtype)), 3 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(ScaledSum, scaled_sum)

namespace ito::ops {

Tensor scaled_sum(double a, const Tensor& x, double b, const Tensor& y) {
  return call(op_scaled_sum(), {x, y}, ScaledSumAttrs{a, b})[0];
}

}  // namespace ito::ops
