#include "kernels/perturb/op.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/common/sampler_update.h"
#include "kernels/noise/op.h"
#include "kernels/reshape/op.h"

namespace ito {
namespace {

enum Input { kX0, kMean, kStd, kSamples };

/// [N] as [N, 1, ...], to broadcast over samples of `rank` axes with the batch.
Tensor per_sample(const Tensor& values, DType dtype, int rank) {
  std::vector<int64_t> sizes(static_cast<size_t>(rank), 1);
  sizes[0] = values.numel();
  return ops::reshape(ops::cast(values, dtype), Shape(std::span<const int64_t>(sizes)));
}

template <class A>
std::vector<A> converted(const Tensor& values) {
  return dispatch_float(values.dtype(), "perturb", [&]<class T>() {
    std::vector<A> list;
    for (const T& v : values.span<T>()) list.push_back(static_cast<A>(v));
    return list;
  });
}

struct Perturb {
  static constexpr std::string_view name = "perturb";
  static constexpr OpKind kind = OpKind::fused;
  static constexpr int visible_outputs = 2;
  using Attrs = NoiseKey;

  static SavedMasks saved(const Attrs&) { return {.inputs = 15}; }
  static Specs infer(const Specs& x, const Attrs&) {
    for (const int i : {kX0, kMean, kStd}) {
      const DType dtype = x[static_cast<size_t>(i)].dtype;
      ITO_CHECK(is_floating(dtype), DTypeError, "x0, mean and std must be floating", kv("input", i),
                kv("dtype", dtype));
    }
    ITO_CHECK(x[kX0].shape.rank() >= 1, ShapeError, "x0 must be [N, ...]", kv("x0", x[kX0].shape));
    const Shape batch{x[kX0].shape[0]};
    ITO_CHECK(x[kMean].shape == batch && x[kStd].shape == batch && x[kSamples].shape == batch,
              ShapeError, "mean, std and samples must be [N]", kv("N", batch[0]),
              kv("mean", x[kMean].shape), kv("std", x[kStd].shape),
              kv("samples", x[kSamples].shape));
    ITO_CHECK(x[kSamples].dtype == DType::i64, DTypeError, "samples must be i64",
              kv("samples", x[kSamples].dtype));
    return {x[kX0], x[kX0]};
  }
  static Tensors reference(const Tensors& in, const Attrs& a) {
    const Tensor& x0 = in[kX0];
    const DType acc = x0.dtype() == DType::f64 ? DType::f64 : DType::f32;
    const Tensor z = ops::noise(in[kSamples], {.kind = ops::NoiseKind::normal,
                                               .sample_shape = Shape(x0.shape().sizes().subspan(1)),
                                               .dtype = acc,
                                               .key = a});
    const Tensor x_t = per_sample(in[kMean], acc, x0.rank()) * ops::cast(x0, acc) +
                       per_sample(in[kStd], acc, x0.rank()) * z;
    return {ops::cast(x_t, x0.dtype()), ops::cast(z, x0.dtype())};
  }
  static void forward(Launch&, const Tensors& in, const Tensors& out, const Attrs& a) {
    if (in[kX0].numel() == 0) return;
    dispatch_float(in[kX0].dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      const std::vector<A> means = converted<A>(in[kMean]), stds = converted<A>(in[kStd]);
      const T* x0 = in[kX0].data<T>();
      T *x_t = out[0].data<T>(), *z = out[1].data<T>();
      for_noise_tiles<T>(in[kX0].size(0), in[kX0].numel() / in[kX0].size(0),
                         in[kSamples].data<int64_t>(), nullptr, a,
                         [&](int64_t n, int64_t at, int64_t count, const A* noise) {
                           const A m = means[static_cast<size_t>(n)];
                           const A s = stds[static_cast<size_t>(n)];
                           for (int64_t i = 0; i < count; ++i) {
                             const A value = std::fma(s, noise[i], m * static_cast<A>(x0[at + i]));
                             x_t[at + i] = static_cast<T>(value);
                             z[at + i] = static_cast<T>(noise[i]);
                           }
                         });
    });
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x0, bool gradients = true) {
      std::vector<double> indices;
      for (int64_t n = 0; n < x0[0]; ++n) indices.push_back(static_cast<double>(1000 * n + 7));
      return Sample{id,
                    {normal(x0), uniform({x0[0]}, 0.1, 1), uniform({x0[0]}, 0.1, 1),
                     as(values({x0[0]}, indices), DType::i64)},
                    attrs(Attrs{.seed = 42, .purpose = Purpose::forward_noise, .step = 5}),
                    gradients};
    };
    Sample exact_scales = sample("scales_in_f64", {3, 5, 2}, false);
    exact_scales.inputs[kMean] = as(uniform({3}, 0.1, 1), DType::f64);
    exact_scales.inputs[kStd] = as(uniform({3}, 0.1, 50), DType::f64);
    Sample only_std = sample("only_std", {3, 7});
    only_std.inputs[kX0] = constant(normal({3, 7}));
    only_std.inputs[kMean] = constant(uniform({3}, 0.1, 1));
    return {sample("images", {3, 3, 5, 2}),
            sample("batch_1", {1, 4, 4, 3}),
            sample("vectors", {4, 9}),
            sample("scalars", {5}),
            sample("tile_edge", {2, 513}, false),
            sample("long", {3, 33, 31, 29}, false),
            sample("empty", {0, 4}),
            sample("empty_samples", {2, 0}),
            exact_scales,
            only_std};
  }
  static ErrorSamples errors() {
    const InputInit one = as(values({1}, {0}), DType::i64), scale = normal({1});
    const AnyAttrs a = attrs(Attrs{});
    return {{{"mean", {normal({1, 4}), normal({2}), scale, one}, a}, "must be [N]"},
            {{"samples", {normal({1, 4}), scale, scale, integers({2}, 3)}, a}, "must be [N]"},
            {{"index", {normal({1, 4}), scale, scale, as(values({1}, {-1}), DType::i64)}, a},
             "sample index must fit in 32 bits",
             true},
            {{"dtype", {normal({1, 4}), scale, one, one}, a}, "must be floating"},
            {{"samples_dtype", {normal({1, 4}), scale, scale, scale}, a}, "samples must be i64"}};
  }
  static Samples bench_samples() {
    std::vector<double> indices(64);
    for (size_t n = 0; n < indices.size(); ++n) indices[n] = static_cast<double>(n);
    return {{"64x32x32x3",
             {normal({64, 32, 32, 3}), normal({64}), normal({64}),
              as(values({64}, indices), DType::i64)},
             attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[kX0].shape.numel());
    return {3 * n * static_cast<double>(size_of(x[kX0].dtype)), 33 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Perturb, perturb)

namespace ito::ops {

Perturbed perturb(const Tensor& x0, const Tensor& mean, const Tensor& std, const Tensor& samples,
                  NoiseKey key) {
  const Tensors out = call(op_perturb(), {x0, mean, std, samples}, key);
  return {out[0], out[1]};
}

}  // namespace ito::ops
