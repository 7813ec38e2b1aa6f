#include "kernels/fourier_embedding/op.h"

#include <cmath>
#include <numbers>

#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/concat/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

struct FourierAttrs {};

template <class T>
void embed(const T* u, const T* w, T* y, int64_t count, int64_t features) {
  using A = Acc<T>;
  constexpr A kPi = std::numbers::pi_v<A>;
  parallel_ranges(count, (1 << 9) / features, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* row = y + n * 2 * features;
      for (int64_t j = 0; j < features; ++j) {
        const A p = ((static_cast<A>(u[n]) * static_cast<A>(w[j])) * A(2)) * kPi;
        row[j] = static_cast<T>(std::sin(static_cast<double>(p)));
        row[features + j] = static_cast<T>(std::cos(static_cast<double>(p)));
      }
    }
  });
}

struct FourierEmbedding {
  static constexpr std::string_view name = "fourier_embedding";
  static constexpr OpKind kind = OpKind::fused;
  using Attrs = FourierAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 3}; }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype) && x[0].dtype == x[1].dtype, DTypeError,
              "u and w must have one floating dtype", kv("u", x[0].dtype), kv("w", x[1].dtype));
    ITO_CHECK(x[0].shape.rank() == 1 && x[1].shape.rank() == 1, ShapeError,
              "u must be [N] and w [M]", kv("u", x[0].shape), kv("w", x[1].shape));
    return {{{x[0].shape[0], 2 * x[1].shape[0]}, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    const DType dtype = x[0].dtype();
    const DType acc = dtype == DType::f64 ? DType::f64 : DType::f32;
    const Tensor u = ops::reshape(ops::cast(x[0], acc), Shape{x[0].numel(), 1});
    const Tensor p = ((u * ops::cast(x[1], acc)) * 2.0) * std::numbers::pi;
    return {ops::cast(ops::concat({ops::sin(p), ops::cos(p)}, 1), dtype)};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs&) {
    if (y[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      embed(x[0].data<T>(), x[1].data<T>(), y[0].data<T>(), x[0].numel(), x[1].numel());
    });
  }

  static Samples samples() {
    const auto sample = [](const char* id, InputInit u, InputInit w, bool gradients = true) {
      return Sample{id, {std::move(u), std::move(w)}, attrs(Attrs{}), gradients};
    };
    return {sample("3x5", normal({3}), normal({5})),
            sample("one_sample", normal({1}), normal({16})),
            sample("one_feature", normal({4}), normal({1})),
            sample("frozen_weights", normal({3}), constant(normal({7}))),
            sample("log_sigma", uniform({9}, -4.6, 3.9), normal({128}, 0, 16), false),
            sample("zero", values({1}, {0}), normal({3})),
            sample("many", normal({301}), normal({33}), false),
            sample("empty", normal({0}), normal({4})),
            sample("no_features", normal({3}), normal({0}))};
  }
  static ErrorSamples errors() {
    return {{{"rank", {normal({2, 1}), normal({3})}, attrs(Attrs{})}, "u must be [N] and w [M]"},
            {{"dtype", {normal({2}), integers({3}, 5)}, attrs(Attrs{})}, "one floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"128x128", {normal({128}), normal({128}, 0, 16)}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto n = static_cast<double>(y[0].shape.numel());
    return {(static_cast<double>(x[0].shape.numel() + x[1].shape.numel()) + n) *
                static_cast<double>(size_of(y[0].dtype)),
            20 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(FourierEmbedding, fourier_embedding)

namespace ito::ops {

Tensor fourier_embedding(const Tensor& u, const Tensor& w) {
  return call(op_fourier_embedding(), {u, w}, FourierAttrs{})[0];
}

}  // namespace ito::ops
