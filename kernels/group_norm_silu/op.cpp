#include "kernels/group_norm_silu/op.h"

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/dropout/op.h"
#include "kernels/group_norm_silu/cpu.h"
#include "kernels/group_norm_silu/params.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

using ops::GroupNormAttrs;
using ops::NormActivation;

enum Input { kX, kW, kB, kShift, kSamples };

GroupNormParams params_of(const Shape& x, const GroupNormAttrs& a, const Tensor& indices = {}) {
  const bool drops = a.dropout.rate > 0 && indices;
  return {.samples = x[0],
          .pixels = x.numel_of(1, x.rank() - 1),
          .channels = x[-1],
          .groups = a.groups,
          .eps = a.eps,
          .activation = a.activation == NormActivation::silu ? 0 : 1,
          .indices = drops ? indices.data<int64_t>() : nullptr,
          .drop_rate = a.dropout.rate,
          .drop_key = a.dropout.key};
}

template <class T>
T* data_or_null(const Tensor& t) {
  return t ? t.data<T>() : nullptr;
}

void check_dropout(const Specs& x, const GroupNormAttrs& a) {
  ITO_CHECK(a.dropout.rate >= 0 && a.dropout.rate < 1, ValueError, "rate must be in [0, 1)",
            kv("rate", a.dropout.rate));
  if (a.dropout.rate == 0) return;
  const Spec& samples = x[kSamples];
  ITO_CHECK(samples.present && samples.shape == Shape{x[kX].shape[0]}, ShapeError,
            "dropout needs samples [N]", kv("x", x[kX].shape), kv("samples", samples.shape));
  ITO_CHECK(samples.dtype == DType::i64, DTypeError, "samples must be i64",
            kv("samples", samples.dtype));
}

struct GroupNormSilu {
  static constexpr std::string_view name = "group_norm_silu";
  static constexpr OpKind kind = OpKind::fused;
  static constexpr int visible_outputs = 1;
  using Attrs = GroupNormAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = ~0u, .outputs = 2}; }

  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(x[0].shape.rank() >= 2, ShapeError, "x must be [N, ..., C]", kv("x", x[0].shape));
    const int64_t n = x[0].shape[0], c = x[0].shape[-1];
    ITO_CHECK(x[0].shape.numel_of(1, x[0].shape.rank()) > 0, ShapeError,
              "a sample needs at least one pixel and channel", kv("x", x[0].shape));
    ITO_CHECK(a.groups > 0 && c % a.groups == 0, ShapeError, "channels must divide by groups",
              kv("C", c), kv("groups", a.groups));
    for (int i : {1, 2}) {
      ITO_CHECK(x[static_cast<size_t>(i)].shape == Shape{c}, ShapeError,
                "weight and bias must be [C]", kv("C", c),
                kv("got", x[static_cast<size_t>(i)].shape));
    }
    ITO_CHECK(!x[3].present || x[3].shape == (Shape{n, c}), ShapeError, "shift must be [N, C]",
              kv("N", n), kv("C", c), kv("got", x[3].shape));
    for (const int i : {kX, kW, kB, kShift}) {
      const Spec& s = x[static_cast<size_t>(i)];
      ITO_CHECK(!s.present || s.dtype == x[0].dtype, DTypeError, "all inputs must have one dtype",
                kv("x", x[0].dtype), kv("other", s.dtype));
    }
    check_dropout(x, a);
    const DType stats = x[0].dtype == DType::f64 ? DType::f64 : DType::f32;
    return {x[0], {{n, a.groups, 2}, stats, x[0].device}};
  }

  static Tensors reference(const Tensors& in, const Attrs& a) {
    const DType dtype = in[0].dtype();
    const DType acc = dtype == DType::f64 ? DType::f64 : DType::f32;
    const GroupNormParams p = params_of(in[0].shape(), a);
    const int64_t d = p.channels_per_group();
    Tensor u = ops::reshape(ops::cast(in[0], acc), Shape{p.samples, p.pixels, p.channels});
    if (in[3]) u = u + ops::reshape(ops::cast(in[3], acc), Shape{p.samples, 1, p.channels});
    u = ops::reshape(u, Shape{p.samples, p.pixels, p.groups, d});       // [N, P, G, C/G]
    const Tensor mean = ops::reduce(ops::ReduceKind::mean, u, {1, 3});  // [N, 1, G, 1]
    const Tensor centred = u - mean;
    const Tensor variance = ops::reduce(ops::ReduceKind::mean, ops::square(centred), {1, 3});
    const Tensor normal = ops::reshape(centred * ops::rsqrt(variance + a.eps),
                                       Shape{p.samples, p.pixels, p.channels});
    const Tensor z = normal * ops::cast(in[1], acc) + ops::cast(in[2], acc);
    const Tensor y = a.activation == NormActivation::silu ? ops::silu(z) : z;
    const Tensor images = ops::reshape(y, in[0].shape());
    return {ops::cast(ops::dropout(images, in[kSamples], a.dropout), dtype)};
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (x[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      group_norm_silu_cpu(
          launch, params_of(x[0].shape(), a, x[kSamples]),
          GroupNormForward<T>{x[0].data<T>(), x[1].data<T>(), x[2].data<T>(), data_or_null<T>(x[3]),
                              y[0].data<T>(), y[1].data<Acc<T>>()});
    });
  }

  static void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
                       const Tensors& gx, const Attrs& a) {
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      group_norm_silu_backward_cpu(
          launch, params_of(x[0].shape(), a, x[kSamples]),
          GroupNormBackward<T>{gy[0].data<T>(), x[0].data<T>(), x[1].data<T>(), x[2].data<T>(),
                               data_or_null<T>(x[3]), y[1].data<Acc<T>>(), data_or_null<T>(gx[0]),
                               data_or_null<T>(gx[1]), data_or_null<T>(gx[2]),
                               data_or_null<T>(gx[3])});
    });
  }

  static Samples samples() {
    Samples list;
    const auto add = [&](const char* id, Shape x, int groups, InputInit shift, double mean = 0.5,
                         bool gradients = true, NormActivation act = NormActivation::silu,
                         double rate = 0) {
      const int64_t c = x[-1];
      std::vector<double> indices;
      for (int64_t n = 0; n < x[0]; ++n) indices.push_back(static_cast<double>(1000 * n + 7));
      const InputInit which = as(values({x[0]}, indices), DType::i64);
      const NoiseKey key{.seed = 42, .purpose = Purpose::dropout, .step = 9};
      list.push_back({id,
                      {normal(x, mean, 1), normal({c}, 1, 0.3), normal({c}, 0, 0.3), shift,
                       rate > 0 ? which : absent()},
                      attrs(Attrs{groups, 1e-6, act, {rate, key}}),
                      gradients});
    };
    const auto dropout = [&](const char* id, Shape x, int groups, InputInit shift, double rate,
                             bool gradients = true) {
      add(id, x, groups, shift, 0.5, gradients, NormActivation::silu, rate);
    };
    const auto shift = [](int64_t n, int64_t c) { return normal({n, c}); };
    add("8x8x32_g8", {2, 8, 8, 32}, 8, absent());
    add("shift", {2, 5, 7, 24}, 6, shift(2, 24));
    add("one_channel_per_group", {3, 3, 5, 8}, 8, shift(3, 8));
    add("one_group", {2, 3, 3, 7}, 1, absent());
    add("odd_channels", {2, 5, 3, 9}, 3, shift(2, 9));
    add("batch_1", {1, 4, 4, 16}, 4, shift(1, 16));
    add("one_pixel", {3, 1, 1, 12}, 3, absent());
    add("rank_2", {4, 20}, 5, absent());
    add("rank_3", {2, 11, 20}, 5, shift(2, 20));
    add("identity", {2, 5, 5, 12}, 4, absent(), 0.5, true, NormActivation::identity);
    add("16_channels_4_groups", {2, 9, 9, 16}, 4, shift(2, 16));
    add("384_channels", {1, 3, 3, 384}, 32, absent());
    add("large_mean", {2, 8, 8, 16}, 4, absent(), 1e3);
    add("many_slabs", {2, 65, 33, 24}, 6, shift(2, 24), 0.5, false);
    // Groups too wide, and images too large, for a GPU block to hold.
    add("wide_group", {1, 33, 9, 72}, 1, shift(1, 72));
    add("wide_odd_group", {2, 5, 3, 69}, 1, absent());
    add("large_image", {1, 64, 64, 24}, 6, shift(1, 24), 0.5, false);
    dropout("dropout", {2, 5, 7, 24}, 6, shift(2, 24), 0.3);
    dropout("dropout_odd_channels", {3, 3, 5, 9}, 3, absent(), 0.5);
    dropout("dropout_wide_group", {1, 33, 9, 72}, 1, absent(), 0.1);
    dropout("dropout_many_slabs", {2, 65, 33, 24}, 6, absent(), 0.1, false);
    add("empty_batch", {0, 4, 4, 8}, 2, shift(0, 8));
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{32});
    const InputInit c130 = normal({130});
    const auto dropping = [](const char* id, double rate, InputInit samples) {
      return Sample{id,
                    {normal({1, 4, 8}), normal({8}), normal({8}), absent(), samples},
                    attrs(Attrs{.groups = 2, .dropout = {.rate = rate}})};
    };
    return {{{"groups", {normal({2, 4, 130}), c130, c130, absent(), absent()}, a},
             "channels must divide by groups (C=130, groups=32)"},
            {{"weight", {normal({2, 4, 64}), c130, c130, absent(), absent()}, a},
             "weight and bias must be [C]"},
            {{"shift", {normal({2, 64}), normal({64}), normal({64}), normal({64}), absent()}, a},
             "shift must be [N, C]"},
            {{"rank", {normal({64}), normal({64}), normal({64}), absent(), absent()}, a},
             "[N, ..., C]"},
            {dropping("rate", 1, absent()), "rate must be in [0, 1) (rate=1)"},
            {dropping("no_samples", 0.5, absent()), "dropout needs samples [N]"},
            {dropping("samples_dtype", 0.5, normal({1})), "samples must be i64"},
            {dropping("index", 0.5, as(values({1}, {-1}), DType::i64)),
             "sample index must fit in 32 bits", true}};
  }
  static Samples bench_samples() {
    const auto c = [](int64_t n) { return normal({n}); };
    return {{"8x32x32x128",
             {normal({8, 32, 32, 128}), c(128), c(128), absent(), absent()},
             attrs(Attrs{32})},
            {"8x16x16x256",
             {normal({8, 16, 16, 256}), c(256), c(256), absent(), absent()},
             attrs(Attrs{32})},
            {"64x28x28x32",
             {normal({64, 28, 28, 32}), c(32), c(32), absent(), absent()},
             attrs(Attrs{8})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {2 * n * static_cast<double>(size_of(x[0].dtype)), 12 * n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(GroupNormSilu, group_norm_silu)

namespace ito::ops {

Tensor group_norm_silu(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& shift,
                       const Tensor& samples, const GroupNormAttrs& attrs) {
  return call(op_group_norm_silu(), {x, w, b, shift, samples}, attrs)[0];
}

}  // namespace ito::ops
