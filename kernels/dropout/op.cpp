#include "kernels/dropout/op.h"

#include "kernels/common/define_op.h"
#include "kernels/noise/tiles.h"

namespace ito {
namespace {

using ops::DropoutAttrs;

/// One element. The choice is between constants, so that the loop around it vectorises.
template <class T>
T kept(T x, float uniform, float rate, Acc<T> scale) {
  const Acc<T> factor = uniform >= rate ? scale : Acc<T>(0);
  return static_cast<T>(static_cast<Acc<T>>(x) * factor);
}

struct Dropout {
  static constexpr std::string_view name = "dropout";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = DropoutAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 2}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype) && x[1].dtype == DType::i64, DTypeError,
              "x must be floating and samples i64", kv("x", x[0].dtype), kv("samples", x[1].dtype));
    ITO_CHECK(x[0].shape.rank() >= 1 && x[1].shape == Shape{x[0].shape[0]}, ShapeError,
              "samples must be [N]", kv("x", x[0].shape), kv("samples", x[1].shape));
    ITO_CHECK(a.rate >= 0 && a.rate < 1, ValueError, "rate must be in [0, 1)", kv("rate", a.rate));
    return {x[0]};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(x[0].shape(), x[0].dtype());
    const int64_t elements = y.shape().numel_of(1, y.rank());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      const auto scale = static_cast<Acc<T>>(1 / (1 - a.rate));
      for (int64_t i = 0; i < y.numel(); ++i) {
        const uint32_t sample = sample_counter(x[1].data<int64_t>()[i / elements]);
        const float uniform = uniform_at(a.key, sample, static_cast<uint32_t>(i % elements));
        y.data<T>()[i] = kept(x[0].data<T>()[i], uniform, static_cast<float>(a.rate), scale);
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    const auto rate = static_cast<float>(a.rate);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      const T* in = x[0].data<T>();
      T* out = y[0].data<T>();
      const auto scale = static_cast<Acc<T>>(1 / (1 - a.rate));
      for_filled_tiles(ops::NoiseKind::uniform, a.key, x[1].span<int64_t>(),
                       y[0].shape().numel_of(1, y[0].rank()),
                       [=](int64_t at, int64_t count, const float* uniform) {
                         for (int64_t i = at; i < at + count; ++i) {
                           out[i] = kept(in[i], uniform[i - at], rate, scale);
                         }
                       });
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::dropout(g.grad_out[0], g.inputs[1], a), Tensor()};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, double rate, bool gradients = true) {
      std::vector<double> indices;
      for (int64_t n = 0; n < x[0]; ++n) indices.push_back(static_cast<double>(1000 * n + 7));
      return Sample{id,
                    {normal(x, 1, 1), as(values({x[0]}, indices), DType::i64)},
                    attrs(Attrs{rate, {.seed = 42, .purpose = Purpose::dropout, .step = 9}}),
                    gradients};
    };
    return {sample("images", {3, 3, 5, 7}, 0.1),
            sample("half", {2, 33}, 0.5),
            sample("most", {2, 41}, 0.9),
            sample("none", {2, 9}, 0),
            sample("vector", {5}, 0.3),
            sample("tile_edge", {2, 512}, 0.5, false),
            sample("after_edge", {2, 513}, 0.5, false),
            sample("long", {3, 33, 31, 29}, 0.1, false),
            sample("empty", {0, 4}, 0.5),
            sample("empty_samples", {2, 0}, 0.5)};
  }
  static ErrorSamples errors() {
    const InputInit one = as(values({1}, {0}), DType::i64);
    const auto rate = [](double r) { return attrs(Attrs{.rate = r}); };
    return {{{"one", {normal({1, 4}), one}, rate(1)}, "rate must be in [0, 1) (rate=1)"},
            {{"negative", {normal({1, 4}), one}, rate(-0.1)}, "rate must be in [0, 1)"},
            {{"count", {normal({2, 4}), one}, rate(0.1)}, "samples must be [N]"},
            {{"index", {normal({1, 4}), as(values({1}, {-1}), DType::i64)}, rate(0.1)},
             "sample index must fit in 32 bits",
             true},
            {{"dtype", {normal({1, 4}), normal({1})}, rate(0.1)}, "samples i64"}};
  }
  static Samples bench_samples() {
    std::vector<double> indices(8);
    for (size_t n = 0; n < indices.size(); ++n) indices[n] = static_cast<double>(n);
    return {{"8x32x32x128",
             {normal({8, 32, 32, 128}), as(values({8}, indices), DType::i64)},
             attrs(Attrs{.rate = 0.1})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {2 * n * static_cast<double>(size_of(x[0].dtype)), 10 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Dropout, dropout)

namespace ito::ops {

Tensor dropout(const Tensor& x, const Tensor& samples, const DropoutAttrs& attrs) {
  return attrs.rate == 0 ? x : call(op_dropout(), {x, samples}, attrs)[0];
}

}  // namespace ito::ops
