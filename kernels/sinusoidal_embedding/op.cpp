#include "kernels/sinusoidal_embedding/op.h"

#include <cmath>

#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/concat/op.h"
#include "kernels/pad/op.h"
#include "kernels/reshape/op.h"
#include "kernels/sinusoidal_embedding/params.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

/// w_j = exp(-j ln(10000) / (h - 1)). The exponent is rounded to A before the exponential, as in
/// the reference implementation: late time steps would show the difference.
template <class A>
std::vector<A> frequencies(int64_t dim) {
  const int64_t half = dim / 2;
  const A rate = static_cast<A>(std::log(10000.0) / static_cast<double>(half - 1));
  std::vector<A> w;
  for (int64_t j = 0; j < half; ++j) {
    const A exponent = static_cast<A>(j) * -rate;
    w.push_back(static_cast<A>(std::exp(static_cast<double>(exponent))));
  }
  return w;
}

template <class T>
void embed(const T* t, T* y, int64_t count, int64_t dim) {
  using A = Acc<T>;
  const std::vector<A> w = frequencies<A>(dim);
  const int64_t half = dim / 2;
  parallel_ranges(count, (1 << 10) / dim, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* row = y + n * dim;
      for (int64_t j = 0; j < half; ++j) {
        const A argument = static_cast<A>(t[n]) * w[static_cast<size_t>(j)];
        row[j] = static_cast<T>(std::sin(static_cast<double>(argument)));
        row[half + j] = static_cast<T>(std::cos(static_cast<double>(argument)));
      }
      if (dim % 2 != 0) row[dim - 1] = static_cast<T>(0.0f);
    }
  });
}

struct SinusoidalEmbedding {
  static constexpr std::string_view name = "sinusoidal_embedding";
  static constexpr OpKind kind = OpKind::fused;
  using Attrs = SinusoidalAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 1}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("t", x[0].dtype));
    ITO_CHECK(x[0].shape.rank() == 1, ShapeError, "t must be [N]", kv("t", x[0].shape));
    ITO_CHECK(a.dim >= 4, ShapeError, "needs at least 4 dimensions", kv("dim", a.dim));
    return {{{x[0].shape[0], a.dim}, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const DType dtype = x[0].dtype();
    const DType acc = dtype == DType::f64 ? DType::f64 : DType::f32;
    const Shape row{a.dim / 2};
    const Tensor w = acc == DType::f64 ? Tensor::from(frequencies<double>(a.dim), row)
                                       : Tensor::from(frequencies<float>(a.dim), row);
    const Tensor t = ops::reshape(ops::cast(x[0], acc), Shape{x[0].numel(), 1});
    const Tensor argument = t * w.to(x[0].device());
    const Tensor y = ops::concat({ops::sin(argument), ops::cos(argument)}, 1);
    return {ops::cast(ops::pad(y, 1, 0, a.dim % 2), dtype)};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    dispatch_float(x[0].dtype(), name,
                   [&]<class T>() { embed(x[0].data<T>(), y[0].data<T>(), x[0].numel(), a.dim); });
  }

  static Samples samples() {
    const auto sample = [](const char* id, InputInit t, int64_t dim, bool gradients = true) {
      return Sample{id, {std::move(t)}, attrs(Attrs{dim}), gradients};
    };
    return {sample("even", uniform({5}, 0, 20), 16),
            sample("odd", uniform({3}, 0, 20), 9),
            sample("smallest", uniform({3}, 0, 5), 4),
            sample("five", uniform({3}, 0, 5), 5),
            sample("one_sample", uniform({1}, 0, 3), 128),
            sample("steps", values({4}, {0, 1, 500, 999}), 128, false),
            sample("fractions", uniform({7}, 0, 999), 96, false),
            sample("negative", uniform({7}, -30, 0), 6),
            sample("many", uniform({301}, 0, 999), 32, false),
            sample("empty", uniform({0}, 0, 1), 8)};
  }
  static ErrorSamples errors() {
    return {{{"rank", {normal({2, 1})}, attrs(Attrs{8})}, "t must be [N]"},
            {{"dim", {normal({2})}, attrs(Attrs{3})}, "at least 4 dimensions (dim=3)"},
            {{"dtype", {integers({2}, 9)}, attrs(Attrs{8})}, "needs a floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"128x128", {uniform({128}, 0, 999)}, attrs(Attrs{128})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto n = static_cast<double>(y[0].shape.numel());
    return {
        (static_cast<double>(x[0].shape.numel()) + n) * static_cast<double>(size_of(y[0].dtype)),
        20 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(SinusoidalEmbedding, sinusoidal_embedding)

namespace ito::ops {

Tensor sinusoidal_embedding(const Tensor& t, int64_t dim) {
  return call(op_sinusoidal_embedding(), {t}, SinusoidalAttrs{dim})[0];
}

}  // namespace ito::ops
