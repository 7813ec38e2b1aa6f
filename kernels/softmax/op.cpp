#include "kernels/softmax/op.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/binary/op.h"
#include "kernels/common/define_op.h"
#include "kernels/reduce/op.h"
#include "kernels/softmax/cpu.h"

namespace ito {
namespace {

struct SoftmaxAttrs {};

template <class T>
void plain_row(const T* x, T* y, int64_t n) {
  using A = Acc<T>;
  A highest = -std::numeric_limits<A>::infinity(), sum = 0;
  for (int64_t i = 0; i < n; ++i) highest = std::max(highest, static_cast<A>(x[i]));
  const A shift = std::isinf(highest) && highest < 0 ? A(0) : highest;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<A>(x[i]) - shift);
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<T>(sum == 0 ? A(0) : std::exp(static_cast<A>(x[i]) - shift) / sum);
  }
}

struct Softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = SoftmaxAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0, .outputs = 1}; }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(x[0].shape.rank() >= 1, ShapeError, "x must be [..., n]", kv("x", x[0].shape));
    return {x[0]};
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    Tensor y = Tensor::empty(x[0].shape(), x[0].dtype());
    const int64_t n = y.size(-1);
    dispatch_float(y.dtype(), name, [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); i += n) {
        plain_row(x[0].data<T>() + i, y.data<T>() + i, n);
      }
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs&) {
    if (y[0].numel() == 0) return;
    const int64_t n = y[0].size(-1), rows = y[0].numel() / n;
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      softmax_cpu(launch, rows, n, x[0].data<T>(), y[0].data<T>());
    });
  }
  /// dx = y (g - sum(g y)).
  static Tensors gradient(const GradCall& g, const Attrs&) {
    const Tensor& y = g.outputs[0];
    const Tensor& gy = g.grad_out[0];
    return {y * (gy - ops::reduce(ops::ReduceKind::sum, gy * y, {-1}))};
  }

  static Samples samples() {
    const double inf = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto sample = [](const char* id, InputInit x, bool gradients = true) {
      return Sample{id, {std::move(x)}, attrs(Attrs{}), gradients};
    };
    std::vector<double> spike(19, -0.5);
    spike[17] = nan;
    return {sample("3x17", normal({3, 17}, 0, 2)),
            sample("8", normal({5, 8})),
            sample("16", normal({2, 3, 16})),
            sample("vector", normal({33})),
            sample("one", normal({4, 1})),
            sample("two", normal({4, 2})),
            sample("attention", normal({2, 3, 7, 49})),
            sample("far_apart", normal({3, 40}, 0, 60)),
            sample("offset", normal({3, 40}, 1e4, 2)),
            sample("masked", values({2, 5}, {1, -inf, 2, -inf, 0, -inf, -inf, -inf, -inf, -inf}),
                   false),
            sample("masked_long", values({9}, std::vector<double>(9, -inf)), false),
            sample("nan_first", values({2, 3}, {nan, 1, 2, 1, 2, 3}), false),
            sample("nan_and_masked", values({2, 2}, {nan, -inf, -inf, nan}), false),
            sample("nan_in_tail", values({19}, spike), false),
            sample("infinite", values({3}, {1, inf, 2}), false),
            sample("long", normal({3, 20011}), false),
            sample("block_wide", normal({2, 2048}), false),
            sample("many_rows", normal({5003, 9}), false),
            sample("empty_batch", normal({0, 4})),
            sample("empty_rows", normal({3, 0}))};
  }
  static ErrorSamples errors() {
    return {{{"scalar", {normal(Shape{})}, attrs(Attrs{})}, "x must be [..., n]"},
            {{"dtype", {integers({3}, 5)}, attrs(Attrs{})}, "needs a floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"8x256x256", {normal({8, 256, 256})}, attrs(Attrs{})},
            {"8x1024x1024", {normal({8, 1024, 1024})}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {2 * n * static_cast<double>(size_of(x[0].dtype)), 5 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Softmax, softmax)

namespace ito::ops {

Tensor softmax(const Tensor& x) { return call(op_softmax(), {x}, SoftmaxAttrs{})[0]; }

}  // namespace ito::ops
