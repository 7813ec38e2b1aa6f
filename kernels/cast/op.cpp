#include "kernels/cast/op.h"

#include "engine/core/parallel.h"
#include "kernels/cast/params.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

template <class From, class To>
To convert(From v) {
  if constexpr (std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(v));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return BFloat16(static_cast<float>(v));
  } else {
    return static_cast<To>(v);
  }
}

void convert_all(const Tensor& x, const Tensor& y) {
  dispatch_any(x.dtype(), [&]<class From>() {
    dispatch_any(y.dtype(), [&]<class To>() {
      const From* in = x.data<From>();
      To* out = y.data<To>();
      parallel_ranges(x.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = convert<From, To>(in[i]);
      });
    });
  });
}

struct Cast {
  static constexpr std::string_view name = "cast";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = CastAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(x[0].present, ValueError, "needs a tensor");
    return {{x[0].shape, a.dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(x[0].shape(), a.dtype);
    convert_all(x[0], y);
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs&) {
    convert_all(x[0], y[0]);
  }
  static Tensors gradient(const GradCall& g, const Attrs&) {
    return {ops::cast(g.grad_out[0], g.input_specs[0].dtype)};
  }
  static Samples samples() {
    return {{"to_f64", {normal({3, 7})}, attrs(Attrs{DType::f64})},
            {"to_f32", {normal({3, 7})}, attrs(Attrs{DType::f32}), false},
            {"to_bf16", {normal({129})}, attrs(Attrs{DType::bf16}), false},
            {"to_i64", {normal({9}, 0, 100)}, attrs(Attrs{DType::i64}), false},
            {"to_i32", {normal({130}, 0, 100)}, attrs(Attrs{DType::i32}), false},
            {"to_u8", {uniform({67}, 0, 255)}, attrs(Attrs{DType::u8}), false},
            {"from_u8", {as(uniform({67}, 0, 255), DType::u8)}, attrs(Attrs{DType::f32}), false},
            {"from_i32_to_i64",
             {as(normal({131}, 0, 1e6), DType::i32)},
             attrs(Attrs{DType::i64}),
             false},
            {"from_f64_to_bf16", {as(normal({66}), DType::f64)}, attrs(Attrs{DType::bf16}), false},
            {"from_i64", {integers({9}, 100)}, attrs(Attrs{DType::f32}), false},
            {"empty", {normal({0, 2})}, attrs(Attrs{DType::f64})}};
  }
  static ErrorSamples errors() {
    return {{{"none", {absent()}, attrs(Attrs{})}, "needs a tensor"}};
  }
  static Samples bench_samples() {
    return {{"16M", {normal({1 << 24})}, attrs(Attrs{DType::bf16})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel()) *
                static_cast<double>(size_of(x[0].dtype) + size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Cast, cast)

namespace ito::ops {

Tensor cast(const Tensor& x, DType dtype) {
  return x.dtype() == dtype ? x : call(op_cast(), {x}, CastAttrs{dtype})[0];
}

}  // namespace ito::ops
