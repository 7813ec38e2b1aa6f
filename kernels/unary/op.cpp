#include "kernels/unary/op.h"

#include <cmath>
#include <limits>

#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/common/define_op.h"
#include "kernels/unary/cpu.h"
#include "kernels/unary/params.h"

namespace ito {
namespace {

using ops::unary;
using ops::UnaryKind;

/// The definition of every kind.
double evaluate(const UnaryAttrs& a, double x) {
  switch (a.kind) {
    case UnaryKind::linear:
      return a.p0 * x + a.p1;
    case UnaryKind::exp:
      return std::exp(x);
    case UnaryKind::log:
      return std::log(x);
    case UnaryKind::expm1:
      return std::expm1(x);
    case UnaryKind::log1p:
      return std::log1p(x);
    case UnaryKind::sqrt:
      return std::sqrt(x);
    case UnaryKind::rsqrt:
      return 1 / std::sqrt(x);
    case UnaryKind::reciprocal:
      return 1 / x;
    case UnaryKind::square:
      return x * x;
    case UnaryKind::power:
      return std::pow(x, a.p0);
    case UnaryKind::sin:
      return std::sin(x);
    case UnaryKind::cos:
      return std::cos(x);
    case UnaryKind::tanh:
      return std::tanh(x);
    case UnaryKind::sigmoid:
      return 1 / (1 + std::exp(-x));
    case UnaryKind::silu:
      return x / (1 + std::exp(-x));
    case UnaryKind::softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    case UnaryKind::relu:
      return x > 0 ? x : 0;
    case UnaryKind::leaky_relu:
      return x > 0 ? x : a.p0 * x;
    case UnaryKind::elu:
      return x > 0 ? x : std::expm1(x);
    case UnaryKind::abs:
      return std::abs(x);
    case UnaryKind::sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryKind::step:
      break;
  }
  return x > 0 ? 1 : 0;
}

template <class T>
void plain_loop(const UnaryAttrs& a, const Tensor& x, const Tensor& y) {
  const T* in = x.data<T>();
  T* out = y.data<T>();
  parallel_ranges(x.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[i] = static_cast<T>(evaluate(a, static_cast<double>(in[i])));
    }
  });
}

/// Inputs on which the function is smooth, for the checks.
InputInit domain_of(UnaryKind kind, Shape shape) {
  switch (kind) {
    case UnaryKind::log:
    case UnaryKind::sqrt:
    case UnaryKind::rsqrt:
    case UnaryKind::reciprocal:
    case UnaryKind::power:
      return uniform(shape, 0.3, 3);
    case UnaryKind::log1p:
      return uniform(shape, -0.7, 2);
    case UnaryKind::sin:
    case UnaryKind::cos:
      return normal(shape, 0, 8);
    default:
      return normal(shape, 0.1, 1.5);
  }
}

constexpr const char* kNames[] = {"linear", "exp",     "log",    "expm1",    "log1p", "sqrt",
                                  "rsqrt",  "recip",   "square", "power",    "sin",   "cos",
                                  "tanh",   "sigmoid", "silu",   "softplus", "relu",  "leaky_relu",
                                  "elu",    "abs",     "sign",   "step"};

struct Unary {
  static constexpr std::string_view name = "unary";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = UnaryAttrs;

  static SavedMasks saved(const Attrs& a) {
    switch (a.kind) {
      case UnaryKind::exp:
      case UnaryKind::expm1:
      case UnaryKind::sqrt:
      case UnaryKind::rsqrt:
      case UnaryKind::reciprocal:
      case UnaryKind::tanh:
      case UnaryKind::sigmoid:
        return {.inputs = 0, .outputs = 1};
      case UnaryKind::elu:
        return {.inputs = 1, .outputs = 1};
      case UnaryKind::linear:
      case UnaryKind::sign:
      case UnaryKind::step:
        return {.inputs = 0};
      default:
        return {.inputs = 1};
    }
  }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    return {x[0]};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(x[0].shape(), x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() { plain_loop<T>(a, x[0], y); });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    const int64_t n = x[0].numel();
    if (x[0].dtype() == DType::f64 || a.kind == UnaryKind::power) {
      dispatch_float(x[0].dtype(), name, [&]<class T>() { plain_loop<T>(a, x[0], y[0]); });
    } else if (x[0].dtype() == DType::f32) {
      unary_cpu(a.kind, a.p0, a.p1, x[0].data<float>(), y[0].data<float>(), n);
    } else {
      unary_cpu(a.kind, a.p0, a.p1, x[0].data<BFloat16>(), y[0].data<BFloat16>(), n);
    }
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    if (a.kind == UnaryKind::linear) return {a.p0 * g.grad_out[0]};
    if (a.kind == UnaryKind::sign || a.kind == UnaryKind::step) return {0.0 * g.grad_out[0]};
    return {g.grad_out[0] * slope(g.inputs[0], g.outputs[0], a)};
  }
  /// f'(x), given x and y = f(x).
  static Tensor slope(const Tensor& x, const Tensor& y, const Attrs& a) {
    switch (a.kind) {
      case UnaryKind::exp:
        return y;
      case UnaryKind::log:
        return ops::reciprocal(x);
      case UnaryKind::expm1:
        return y + 1.0;
      case UnaryKind::log1p:
        return ops::reciprocal(x + 1.0);
      case UnaryKind::sqrt:
        return 0.5 * ops::reciprocal(y);
      case UnaryKind::rsqrt:
        return -0.5 * (y * ops::square(y));
      case UnaryKind::reciprocal:
        return -ops::square(y);
      case UnaryKind::square:
        return 2.0 * x;
      case UnaryKind::power:
        return a.p0 * ops::power(x, a.p0 - 1);
      case UnaryKind::sin:
        return ops::cos(x);
      case UnaryKind::cos:
        return -ops::sin(x);
      case UnaryKind::tanh:
        return 1.0 - ops::square(y);
      case UnaryKind::sigmoid:
        return y * (1.0 - y);
      case UnaryKind::silu: {
        const Tensor s = ops::sigmoid(x);
        return s * (1.0 + x * (1.0 - s));
      }
      case UnaryKind::softplus:
        return ops::sigmoid(x);
      case UnaryKind::relu:
        return unary(UnaryKind::step, x);
      case UnaryKind::leaky_relu:
        return (1 - a.p0) * unary(UnaryKind::step, x) + a.p0;
      case UnaryKind::elu: {
        const Tensor positive = unary(UnaryKind::step, x);
        return positive + (1.0 - positive) * (y + 1.0);
      }
      case UnaryKind::abs:
        return unary(UnaryKind::sign, x);
      default:
        break;
    }
    throw InternalError("a kind without a slope");
  }

  static Samples samples() {
    Samples list;
    for (int k = 0; k < ops::kUnaryKinds; ++k) {
      const auto f = static_cast<UnaryKind>(k);
      const AnyAttrs a = attrs(Attrs{f, f == UnaryKind::leaky_relu ? 0.2 : 1.7, 0.3});
      list.push_back({std::string(kNames[k]) + "_3x7", {domain_of(f, {3, 7})}, a});
      list.push_back({std::string(kNames[k]) + "_133", {domain_of(f, {133})}, a, false});
      list.push_back({std::string(kNames[k]) + "_empty", {domain_of(f, {0, 2})}, a});
    }
    list.push_back({"silu_wide", {uniform({4097}, -88, 88)}, attrs(Attrs{UnaryKind::silu}), false});
    list.push_back({"exp_wide", {uniform({4097}, -80, 80)}, attrs(Attrs{UnaryKind::exp}), false});
    // Ends of the range and no numbers: every kind does what the C library does.
    const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
    for (int k = 0; k < ops::kUnaryKinds; ++k) {
      const auto f = static_cast<UnaryKind>(k);
      if (f == UnaryKind::power) continue;  // its plain loop is its kernel
      const AnyAttrs a = attrs(Attrs{f, f == UnaryKind::leaky_relu ? 0.2 : 1.7, 0.3});
      list.push_back({std::string(kNames[k]) + "_edges",
                      {values({7}, {0, -0.5, -3, inf, -inf, nan, 1})},
                      a,
                      false});
    }
    list.push_back({"silu_scalar", {normal(Shape{})}, attrs(Attrs{UnaryKind::silu})});
    list.push_back({"silu_16x8", {normal({16, 8})}, attrs(Attrs{UnaryKind::silu})});
    list.push_back({"silu_long", {normal({3, 40001})}, attrs(Attrs{UnaryKind::silu}), false});
    return list;
  }
  static ErrorSamples errors() {
    return {{{"dtype", {as(normal({2}), DType::i64)}, attrs(Attrs{})}, "floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"silu_16M", {normal({1 << 24})}, attrs(Attrs{UnaryKind::silu})},
            {"linear_16M", {normal({1 << 24})}, attrs(Attrs{UnaryKind::linear, 2, 1})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {2 * n * static_cast<double>(size_of(x[0].dtype)), n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Unary, unary)

namespace ito::ops {

Tensor unary(UnaryKind kind, const Tensor& x, double p0, double p1) {
  return call(op_unary(), {x}, UnaryAttrs{kind, p0, p1})[0];
}

}  // namespace ito::ops
