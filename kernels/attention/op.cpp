#include "kernels/attention/op.h"

#include <cmath>

#include "kernels/attention/cpu.h"
#include "kernels/attention/params.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/matmul/op.h"
#include "kernels/softmax/op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

using ops::AttentionAttrs;

AttentionParams params_of(const Tensors& x, const AttentionAttrs& a) {
  return {.batch = x[0].size(0),
          .queries = x[0].size(1),
          .keys = x[1].size(1),
          .depth = x[0].size(2),
          .scale = a.scale};
}

template <class T>
T* data_or_null(const Tensor& t) {
  return t ? t.data<T>() : nullptr;
}

struct Attention {
  static constexpr std::string_view name = "attention";
  static constexpr OpKind kind = OpKind::fused;
  static constexpr int visible_outputs = 1;
  using Attrs = AttentionAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = ~0u, .outputs = 3}; }

  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("q", x[0].dtype));
    for (const Spec& s : x) {
      ITO_CHECK(s.dtype == x[0].dtype, DTypeError, "all inputs must have one dtype",
                kv("q", x[0].dtype), kv("other", s.dtype));
      ITO_CHECK(s.shape.rank() == 3, ShapeError, "q, k and v must be [B, T, D]",
                kv("got", s.shape));
    }
    const Shape &q = x[0].shape, &k = x[1].shape;
    ITO_CHECK(x[2].shape == k, ShapeError, "k and v must have one shape", kv("k", k),
              kv("v", x[2].shape));
    ITO_CHECK(q[0] == k[0] && q[2] == k[2], ShapeError, "q and k must have the same B and D",
              kv("q", q), kv("k", k));
    ITO_CHECK(k[1] > 0 && k[2] > 0, ShapeError, "needs at least one key and D >= 1", kv("k", k));
    const DType lse = x[0].dtype == DType::f64 ? DType::f64 : DType::f32;
    return {x[0], {Shape{q[0], q[1]}, lse, x[0].device}};
  }

  static Tensors reference(const Tensors& in, const Attrs& a) {
    const DType dtype = in[0].dtype();
    const DType acc = dtype == DType::f64 ? DType::f64 : DType::f32;
    const Tensor q = ops::cast(in[0], acc), k = ops::cast(in[1], acc), v = ops::cast(in[2], acc);
    const Tensor scores = a.scale * ops::matmul(q, k, {.b = ops::Transpose::yes});
    return {ops::cast(ops::matmul(ops::softmax(scores), v), dtype)};
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (x[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      attention_cpu(launch, params_of(x, a),
                    AttentionForward<T>{x[0].data<T>(), x[1].data<T>(), x[2].data<T>(),
                                        y[0].data<T>(), y[1].data<Acc<T>>()});
    });
  }

  static void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
                       const Tensors& gx, const Attrs& a) {
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      attention_backward_cpu(
          launch, params_of(x, a),
          AttentionBackward<T>{gy[0].data<T>(), x[0].data<T>(), x[1].data<T>(), x[2].data<T>(),
                               y[0].data<T>(), y[1].data<Acc<T>>(), data_or_null<T>(gx[0]),
                               data_or_null<T>(gx[1]), data_or_null<T>(gx[2])});
    });
  }

  static Samples samples() {
    Samples list;
    const auto add = [&](const char* id, int64_t b, int64_t tq, int64_t tk, int64_t d,
                         bool gradients = true, double spread = 1) {
      list.push_back(
          {id,
           {normal({b, tq, d}, 0, spread), normal({b, tk, d}, 0, spread), normal({b, tk, d}, 0.5)},
           attrs(Attrs{1 / std::sqrt(static_cast<double>(d))}),
           gradients});
    };
    add("t16_d64", 2, 16, 16, 64);
    add("t1", 3, 1, 1, 8);
    add("one_query", 2, 1, 37, 16);
    add("one_key", 2, 5, 1, 16);
    add("odd_t", 2, 33, 33, 24);
    add("d17", 2, 19, 23, 17);
    add("d1", 1, 6, 7, 1);
    add("two_tiles", 1, 65, 129, 40);
    add("d128", 1, 70, 50, 128);
    add("d200", 1, 20, 35, 200);
    add("d256", 2, 64, 64, 256, false);
    add("t256", 1, 256, 256, 32, false);
    add("batch_1", 1, 9, 13, 32);
    // Backward finds P from the rounded log-sum-exp L, which adds a relative error of |L| eps / 2.
    add("large_logits", 2, 17, 21, 16, true, 6);
    list.back().tolerance = 4;
    add("d300", 1, 10, 12, 300);
    add("empty_batch", 0, 4, 4, 8);
    add("no_queries", 2, 0, 4, 8);
    return list;
  }
  static ErrorSamples errors() {
    const auto sample = [](Shape q, Shape k, Shape v) {
      return Sample{"bad", {normal(q), normal(k), normal(v)}, attrs(Attrs{})};
    };
    return {{sample({2, 4}, {2, 4}, {2, 4}), "q, k and v must be [B, T, D]"},
            {sample({2, 4, 8}, {2, 5, 8}, {2, 4, 8}), "k and v must have one shape"},
            {sample({2, 4, 8}, {2, 5, 6}, {2, 5, 6}), "q and k must have the same B and D"},
            {sample({2, 4, 8}, {2, 0, 8}, {2, 0, 8}), "needs at least one key"}};
  }
  static Samples bench_samples() {
    const auto sample = [](const char* id, Shape x) {
      return Sample{id, {normal(x), normal(x), normal(x)}, attrs(Attrs{1.0 / 16})};
    };
    return {sample("8x256x256", {8, 256, 256}), sample("64x256x256", {64, 256, 256}),
            sample("64x16x256", {64, 16, 256}), sample("64x196x32", {64, 196, 32})};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto q = static_cast<double>(x[0].shape.numel());
    const auto k = static_cast<double>(x[1].shape.numel());
    const auto keys = static_cast<double>(x[1].shape[1]);
    return {(2 * q + 2 * k) * static_cast<double>(size_of(x[0].dtype)), 4 * q * keys};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Attention, attention)

namespace ito::ops {

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionAttrs& attrs) {
  return call(op_attention(), {q, k, v}, attrs)[0];
}

}  // namespace ito::ops
