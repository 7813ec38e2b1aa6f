#include "kernels/binary/op.h"

#include <cmath>

#include "kernels/binary/cpu.h"
#include "kernels/binary/params.h"
#include "kernels/common/broadcast.h"
#include "kernels/common/define_op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

using ops::BinaryKind;

template <class T>
T evaluate(BinaryKind kind, T a, T b) {
  switch (kind) {
    case BinaryKind::add:
      return a + b;
    case BinaryKind::sub:
      return a - b;
    case BinaryKind::mul:
      return a * b;
    case BinaryKind::div:
      return a / b;
    case BinaryKind::maximum:
      return a >= b ? a : b;
    case BinaryKind::minimum:
      return a <= b ? a : b;
    case BinaryKind::greater_equal:
      break;
  }
  return static_cast<T>(a >= b ? 1 : 0);
}

template <class T>
void plain_loop(BinaryKind kind, const BroadcastPlan& plan, const Tensor& a, const Tensor& b,
                const Tensor& y) {
  using A = Acc<T>;
  const int64_t inner = plan.inner(), sa = plan.stride_a[plan.rank - 1],
                sb = plan.stride_b[plan.rank - 1];
  for (int64_t row = 0; row < plan.rows(); ++row) {
    const auto at = plan.offsets(row);
    const T* pa = a.data<T>() + at.a;
    const T* pb = b.data<T>() + at.b;
    T* py = y.data<T>() + row * inner;
    for (int64_t i = 0; i < inner; ++i) {
      py[i] =
          static_cast<T>(evaluate<A>(kind, static_cast<A>(pa[i * sa]), static_cast<A>(pb[i * sb])));
    }
  }
}

struct Binary {
  static constexpr std::string_view name = "binary";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = BinaryAttrs;

  static SavedMasks saved(const Attrs& a) {
    const bool linear = a.kind == BinaryKind::add || a.kind == BinaryKind::sub;
    return {.inputs = linear ? 0u : 3u};
  }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("a", x[0].dtype));
    ITO_CHECK(x[0].dtype == x[1].dtype, DTypeError, "operands must have one dtype",
              kv("a", x[0].dtype), kv("b", x[1].dtype));
    return {{broadcast_shapes(x[0].shape, x[1].shape), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(broadcast_shapes(x[0].shape(), x[1].shape()), x[0].dtype());
    if (y.numel() == 0) return {y};
    const BroadcastPlan plan = plan_broadcast(x[0].shape(), x[1].shape(), y.shape());
    dispatch_float(y.dtype(), name, [&]<class T>() { plain_loop<T>(a.kind, plan, x[0], x[1], y); });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const BroadcastPlan plan = plan_broadcast(x[0].shape(), x[1].shape(), y[0].shape());
    if (y[0].dtype() == DType::f64) return plain_loop<double>(a.kind, plan, x[0], x[1], y[0]);
    if (y[0].dtype() == DType::f32) {
      binary_cpu(a.kind, plan, x[0].data<float>(), x[1].data<float>(), y[0].data<float>());
    } else {
      binary_cpu(a.kind, plan, x[0].data<BFloat16>(), x[1].data<BFloat16>(), y[0].data<BFloat16>());
    }
  }
  static Tensors gradient(const GradCall& g, const Attrs& attrs) {
    const Tensor& gy = g.grad_out[0];
    const Tensor& a = g.inputs[0];
    const Tensor& b = g.inputs[1];
    const auto if_needed = [&](int i, auto&& rule) {
      return g.needs[static_cast<size_t>(i)] ? rule() : Tensor();
    };
    switch (attrs.kind) {
      case BinaryKind::add:
        return {gy, gy};
      case BinaryKind::sub:
        return {gy, if_needed(1, [&] { return -gy; })};
      case BinaryKind::mul:
        return {if_needed(0, [&] { return gy * b; }), if_needed(1, [&] { return gy * a; })};
      case BinaryKind::div:
        return {if_needed(0, [&] { return gy / b; }),
                if_needed(1, [&] { return -(gy * a / (b * b)); })};
      case BinaryKind::maximum:
      case BinaryKind::minimum: {
        // 1 where a is chosen, 1/2 at a tie.
        const Tensor a_over_b = 0.5 * (ops::greater_equal(a, b) - ops::greater_equal(b, a) + 1.0);
        const Tensor to_a = attrs.kind == BinaryKind::maximum ? a_over_b : 1.0 - a_over_b;
        return {gy * to_a, gy * (1.0 - to_a)};
      }
      case BinaryKind::greater_equal:
        break;
    }
    return {0.0 * gy, 0.0 * gy};
  }

  static Samples samples() {
    Samples list;
    const char* names[] = {"add", "sub", "mul", "div", "maximum", "minimum", "greater_equal"};
    for (int k = 0; k < ops::kBinaryKinds; ++k) {
      const AnyAttrs a = attrs(Attrs{static_cast<BinaryKind>(k)});
      const bool division = static_cast<BinaryKind>(k) == BinaryKind::div;
      const auto divisor = [&](Shape s) { return division ? uniform(s, 0.5, 2) : normal(s); };
      const auto add = [&](const char* id, Shape x, Shape y) {
        list.push_back({std::string(names[k]) + "_" + id, {normal(x), divisor(y)}, a});
      };
      add("same", {3, 5}, {3, 5});
      add("channels", {2, 3, 3, 7}, {7});
      add("per_sample", {3, 2, 2, 5}, {3, 1, 1, 1});
      add("per_sample_channel", {2, 3, 3, 17}, {2, 1, 1, 17});
    }
    const AnyAttrs add_attrs = attrs(Attrs{BinaryKind::add}), mul = attrs(Attrs{BinaryKind::mul});
    list.push_back({"wide", {normal({5, 16}), normal({5, 16})}, mul});
    list.push_back({"wide_channels", {normal({2, 3, 16}), normal({16})}, mul});
    list.push_back({"wide_per_sample", {normal({3, 1, 1}), normal({3, 2, 8})}, mul});
    list.push_back({"left_repeats", {normal({5}), normal({2, 3, 5})}, mul});
    list.push_back({"outer", {normal({4, 1}), normal({1, 9})}, mul});
    list.push_back({"scalars", {normal(Shape{}), normal(Shape{})}, mul});
    list.push_back({"scalar_tensor", {normal(Shape{}), normal({33})}, add_attrs});
    list.push_back({"empty", {normal({0, 3}), normal({3})}, add_attrs});
    list.push_back({"empty_repeats", {normal({2, 0}), normal({1, 1})}, mul});
    list.push_back({"long", {normal({70001}), normal({70001})}, add_attrs, false});
    list.push_back({"six_axes", {normal({2, 1, 3, 1, 2, 3}), normal({1, 2, 3, 2, 1, 3})}, mul});
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{});
    return {{{"shapes", {normal({2, 3}), normal({2, 4})}, a}, "shapes do not broadcast"},
            {{"dtypes", {normal({2}), as(normal({2}), DType::i64)}, a}, "one dtype"}};
  }
  static Samples bench_samples() {
    return {{"add_16M", {normal({1 << 24}), normal({1 << 24})}, attrs(Attrs{BinaryKind::add})},
            {"channels", {normal({8, 32, 32, 128}), normal({128})}, attrs(Attrs{BinaryKind::add})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto elements =
        static_cast<double>(x[0].shape.numel() + x[1].shape.numel() + y[0].shape.numel());
    return {elements * static_cast<double>(size_of(y[0].dtype)),
            static_cast<double>(y[0].shape.numel())};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Binary, binary)

namespace ito::ops {

Tensor binary(BinaryKind kind, const Tensor& a, const Tensor& b) {
  return call(op_binary(), {a, b}, BinaryAttrs{kind})[0];
}
Tensor add(const Tensor& a, const Tensor& b) { return binary(BinaryKind::add, a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return binary(BinaryKind::sub, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return binary(BinaryKind::mul, a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return binary(BinaryKind::div, a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary(BinaryKind::maximum, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary(BinaryKind::minimum, a, b); }
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return binary(BinaryKind::greater_equal, a, b);
}

}  // namespace ito::ops
