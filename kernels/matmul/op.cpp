#include "kernels/matmul/op.h"

#include "kernels/common/define_op.h"
#include "kernels/common/gemm.h"
#include "kernels/reshape/op.h"

namespace ito {
namespace {

using ops::MatmulAttrs;
using ops::Transpose;

Transpose flipped(Transpose t) { return t == Transpose::no ? Transpose::yes : Transpose::no; }

/// Sizes of one product and the distances between the products of a batch.
struct MatmulSizes {
  int64_t batch, m, n, k, a_batch, b_batch;
};

MatmulSizes sizes_of(const Shape& a, const Shape& b, const MatmulAttrs& t) {
  const bool ta = t.a == Transpose::yes, tb = t.b == Transpose::yes;
  const Shape& leading = a.rank() > 2 ? a : b;
  return {.batch = leading.numel_of(0, leading.rank() - 2),
          .m = a[ta ? -1 : -2],
          .n = b[tb ? -2 : -1],
          .k = a[ta ? -2 : -1],
          .a_batch = a.rank() > 2 ? a[-1] * a[-2] : 0,
          .b_batch = b.rank() > 2 ? b[-1] * b[-2] : 0};
}

template <class T>
MatrixView<T> view_of(const Tensor& x, Transpose t) {
  const int64_t row = x.size(-1);
  return t == Transpose::no ? MatrixView<T>{x.data<T>(), row, 1}
                            : MatrixView<T>{x.data<T>(), 1, row};
}

Shape result_shape(const Shape& a, const Shape& b, const MatmulAttrs& t) {
  const MatmulSizes s = sizes_of(a, b, t);
  return (a.rank() >= b.rank() ? a : b).with(-2, s.m).with(-1, s.n);
}

template <class T>
void plain_loop(const MatmulSizes& s, const MatrixView<T>& a, const MatrixView<T>& b, const T* bias,
                T* c) {
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      Acc<T> sum = 0;
      for (int64_t k = 0; k < s.k; ++k) {
        sum += static_cast<Acc<T>>(a.data[i * a.row_stride + k * a.col_stride]) *
               static_cast<Acc<T>>(b.data[k * b.row_stride + j * b.col_stride]);
      }
      if (bias != nullptr) sum += static_cast<Acc<T>>(bias[j]);
      c[i * s.n + j] = static_cast<T>(sum);
    }
  }
}

struct Matmul {
  static constexpr std::string_view name = "matmul";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = MatmulAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 3u}; }

  static Specs infer(const Specs& x, const Attrs& t) {
    const Spec &a = x[0], &b = x[1], &bias = x[2];
    ITO_CHECK(is_floating(a.dtype), DTypeError, "needs a floating dtype", kv("a", a.dtype));
    ITO_CHECK(a.dtype == b.dtype && (!bias.present || bias.dtype == a.dtype), DTypeError,
              "all inputs must have one dtype", kv("a", a.dtype), kv("b", b.dtype));
    ITO_CHECK(a.shape.rank() >= 2 && b.shape.rank() >= 2, ShapeError,
              "operands must be [..., M, K] and [..., K, N]", kv("a", a.shape), kv("b", b.shape));
    const bool one_shared = a.shape.rank() == 2 || b.shape.rank() == 2;
    ITO_CHECK(one_shared || a.shape.with(-1, 1).with(-2, 1) == b.shape.with(-1, 1).with(-2, 1),
              ShapeError, "leading axes must be equal, or absent on one side", kv("a", a.shape),
              kv("b", b.shape));
    const int64_t k = b.shape[t.b == Transpose::yes ? -1 : -2];
    const MatmulSizes s = sizes_of(a.shape, b.shape, t);
    ITO_CHECK(s.k == k, ShapeError, "inner sizes must agree", kv("K of a", s.k), kv("K of b", k));
    ITO_CHECK(!bias.present || bias.shape == Shape{s.n}, ShapeError, "bias must be [N]",
              kv("N", s.n), kv("bias", bias.shape));
    return {{result_shape(a.shape, b.shape, t), a.dtype, a.device}};
  }

  static Tensors reference(const Tensors& x, const Attrs& t) {
    const MatmulSizes s = sizes_of(x[0].shape(), x[1].shape(), t);
    Tensor c = Tensor::empty(result_shape(x[0].shape(), x[1].shape(), t), x[0].dtype());
    dispatch_float(c.dtype(), name, [&]<class T>() {
      MatrixView<T> a = view_of<T>(x[0], t.a), b = view_of<T>(x[1], t.b);
      for (int64_t i = 0; i < s.batch && c.numel() > 0; ++i) {
        plain_loop<T>(s, a, b, x[2] ? x[2].data<T>() : nullptr, c.data<T>() + i * s.m * s.n);
        a.data += s.a_batch;
        b.data += s.b_batch;
      }
    });
    return {c};
  }

  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& t) {
    const MatmulSizes s = sizes_of(x[0].shape(), x[1].shape(), t);
    if (y[0].numel() == 0) return;
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      Gemm<T> p{.m = s.m,
                .n = s.n,
                .k = s.k,
                .a = view_of<T>(x[0], t.a),
                .b = view_of<T>(x[1], t.b),
                .bias = x[2] ? x[2].data<T>() : nullptr,
                .c = y[0].data<T>(),
                .c_stride = s.n,
                .batch = s.batch,
                .a_batch = s.a_batch,
                .b_batch = s.b_batch,
                .c_batch = s.m * s.n};
      Storage& weights = *x[1].storage();
      const auto kept = s.b_batch == 0 && weights.keeps_derived() ? packed_b(weights, p) : nullptr;
      p.packed_b = kept.get();
      gemm(launch, p);
    });
  }

  /// C = A' B' gives dA' = dC B'^T and dB' = A'^T dC; a shared operand's gradient is summed over
  /// the leading axes by the tape, the bias's over all rows.
  static Tensors gradient(const GradCall& g, const Attrs& t) {
    const Tensor &gc = g.grad_out[0], &a = g.inputs[0], &b = g.inputs[1];
    Tensors result(3);
    if (g.needs[0]) {
      result[0] = t.a == Transpose::no ? ops::matmul(gc, b, {Transpose::no, flipped(t.b)})
                                       : ops::matmul(b, gc, {t.b, Transpose::yes});
    }
    if (g.needs[1]) {
      result[1] = t.b == Transpose::no ? ops::matmul(a, gc, {flipped(t.a), Transpose::no})
                                       : ops::matmul(gc, a, {Transpose::yes, t.a});
    }
    if (g.needs[2]) result[2] = gc;
    return result;
  }

  static Samples samples() {
    const auto t = [](bool a, bool b) {
      return attrs(Attrs{a ? Transpose::yes : Transpose::no, b ? Transpose::yes : Transpose::no});
    };
    const InputInit none = absent();
    return {
        {"plain", {normal({5, 7}), normal({7, 3}), none}, t(false, false)},
        {"a_transposed", {normal({7, 5}), normal({7, 3}), none}, t(true, false)},
        {"b_transposed", {normal({5, 7}), normal({3, 7}), none}, t(false, true)},
        {"both_transposed", {normal({7, 5}), normal({3, 7}), none}, t(true, true)},
        {"bias", {normal({4, 6}), normal({9, 6}), normal({9})}, t(false, true)},
        {"batch", {normal({3, 5, 4}), normal({3, 4, 6}), none}, t(false, false)},
        {"batch_two_axes", {normal({2, 3, 5, 4}), normal({2, 3, 6, 4}), none}, t(false, true)},
        {"batch_a_transposed", {normal({3, 4, 5}), normal({3, 4, 6}), none}, t(true, false)},
        {"a_shared", {normal({5, 4}), normal({3, 4, 6}), normal({6})}, t(false, false)},
        {"a_shared_transposed", {normal({4, 5}), normal({3, 6, 4}), none}, t(true, true)},
        {"b_shared", {normal({3, 5, 4}), normal({4, 6}), normal({6})}, t(false, false)},
        {"b_shared_a_transposed", {normal({3, 4, 5}), normal({6, 4}), none}, t(true, true)},
        {"one_row", {normal({1, 33}), normal({17, 33}), normal({17})}, t(false, true)},
        {"one_column", {normal({13, 1}), normal({1, 1}), none}, t(false, false)},
        {"no_rows", {normal({0, 4}), normal({4, 3}), normal({3})}, t(false, false)},
        {"no_depth", {normal({3, 0}), normal({0, 2}), normal({2})}, t(false, false)},
        {"no_batch", {normal({0, 2, 3}), normal({3, 2}), none}, t(false, false)},
        {"several_tiles",
         {normal({301, 131}), normal({135, 131}), normal({135})},
         t(false, true),
         false},
        {"deep", {normal({300, 19}), normal({300, 34}), none}, t(true, false), false},
        {"both_deep", {normal({260, 75}), normal({37, 260}), none}, t(true, true), false},
        {"offset",
         {normal({30, 70}, 100, 1), normal({70, 20}, 100, 1), none},
         t(false, false),
         false},
    };
  }
  static ErrorSamples errors() {
    const AnyAttrs plain = attrs(Attrs{});
    const InputInit none = absent();
    return {
        {{"inner", {normal({2, 3}), normal({4, 2}), none}, plain}, "inner sizes must agree"},
        {{"rank", {normal({3}), normal({3, 2}), none}, plain}, "operands must be"},
        {{"leading", {normal({2, 3, 4}), normal({3, 4, 5}), none}, plain}, "leading axes"},
        {{"bias", {normal({2, 3}), normal({3, 4}), normal({3})}, plain}, "bias must be [N]"},
        {{"dtypes", {normal({2, 3}), as(normal({3, 4}), DType::f64), none}, plain}, "one dtype"},
        {{"integers", {integers({2, 3}, 4), integers({3, 4}, 4), none}, plain}, "floating dtype"},
    };
  }
  static Samples bench_samples() {
    const AnyAttrs plain = attrs(Attrs{}), linear = attrs(Attrs{.b = Transpose::yes});
    return {
        {"square_1024", {normal({1024, 1024}), normal({1024, 1024}), absent()}, plain},
        {"linear_8192x128x128", {normal({8192, 128}), normal({128, 128}), normal({128})}, linear},
        {"embedding_8x128x512", {normal({8, 128}), normal({512, 128}), normal({512})}, linear},
        {"attention_8x256x256x256",
         {normal({8, 256, 256}), normal({8, 256, 256}), absent()},
         linear}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs& t) {
    const MatmulSizes s = sizes_of(x[0].shape, x[1].shape, t);
    const auto elements =
        static_cast<double>(x[0].shape.numel() + x[1].shape.numel() + y[0].shape.numel());
    return {elements * static_cast<double>(size_of(x[0].dtype)),
            2.0 * static_cast<double>(y[0].shape.numel()) * static_cast<double>(s.k)};
  }
};

/// [..., R, C] as [... * R, C].
Tensor flattened(const Tensor& x) {
  return ops::reshape(x, Shape{x.shape().numel_of(0, x.rank() - 1), x.size(-1)});
}

}  // namespace
}  // namespace ito

ITO_OP(Matmul, matmul)

namespace ito::ops {

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulAttrs& attrs, const Tensor& bias) {
  // A batch over one shared right side is one tall product, and so are its gradients.
  if (a && b && a.rank() > 2 && b.rank() == 2 && attrs.a == Transpose::no) {
    const Tensor c = call(op_matmul(), {flattened(a), b, bias}, attrs)[0];
    return reshape(c, a.shape().with(-1, c.size(-1)));
  }
  return call(op_matmul(), {a, b, bias}, attrs)[0];
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  if (x.rank() == 1) {
    const Tensor y = linear(reshape(x, Shape{1, x.numel()}), w, bias);
    return reshape(y, Shape{y.numel()});
  }
  return matmul(x, w, {.b = Transpose::yes}, bias);
}

}  // namespace ito::ops
