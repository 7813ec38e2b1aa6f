#include "kernels/accumulate/op.h"

#include "engine/core/parallel.h"
#include "kernels/accumulate/params.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

/// Calls f.template operator()<To, From>() with the types of target and value.
template <class F>
void dispatch_pair(const Tensors& x, F&& f) {
  dispatch_float(x[0].dtype(), "accumulate", [&]<class To>() {
    dispatch_float(x[1].dtype(), "accumulate",
                   [&]<class From>() { f.template operator()<To, From>(); });
  });
}

struct Accumulate {
  static constexpr std::string_view name = "accumulate";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr uint32_t mutated_inputs = 1;
  static constexpr int visible_outputs = 0;
  using Attrs = AccumulateAttrs;

  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype) && is_floating(x[1].dtype), DTypeError,
              "needs floating dtypes", kv("target", x[0].dtype), kv("value", x[1].dtype));
    ITO_CHECK(x[0].shape == x[1].shape, ShapeError, "needs one shape", kv("target", x[0].shape),
              kv("value", x[1].shape));
    return {};
  }
  template <class To, class From>
  static void put(const Attrs& a, To* to, const From* from, int64_t count) {
    using A = std::common_type_t<Acc<To>, Acc<From>>;
    if (a.adds) {
      for (int64_t i = 0; i < count; ++i) {
        to[i] = static_cast<To>(static_cast<A>(to[i]) + static_cast<A>(from[i]));
      }
    } else {
      for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(static_cast<A>(from[i]));
    }
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Tensor sum = x[0].clone();
    dispatch_pair(x, [&]<class To, class From>() {
      To* to = sum.data<To>();
      const From* from = x[1].data<From>();
      for (int64_t i = 0; i < sum.numel(); ++i) {
        const double start = a.adds ? static_cast<double>(to[i]) : 0;
        to[i] = static_cast<To>(start + static_cast<double>(from[i]));
      }
    });
    return {sum};
  }
  static void forward(Launch&, const Tensors& x, const Tensors&, const Attrs& a) {
    constexpr int64_t kChunk = 1 << 14;
    dispatch_pair(x, [&]<class To, class From>() {
      parallel_ranges(x[0].numel(), kChunk, [&](int64_t begin, int64_t end) {
        put(a, x[0].data<To>() + begin, x[1].data<From>() + begin, end - begin);
      });
    });
  }

  static Samples samples() {
    Samples list;
    for (const bool adds : {true, false}) {
      const std::string verb = adds ? "add_" : "assign_";
      const auto pair = [&](const char* id, const InputInit& to, const InputInit& from) {
        list.push_back({verb + id, {to, from}, attrs(Attrs{adds}), false});
      };
      pair("vector", normal({64}), normal({64}));
      pair("odd", normal({3, 5, 7}), normal({3, 5, 7}));
      pair("scalar", normal({}), normal({}));
      pair("chunks", normal({2, 9000}), normal({2, 9000}));
      pair("empty", normal({0, 4}), normal({0, 4}));
      pair("bf16", normal({4, 33}), as(normal({4, 33}), DType::bf16));
      pair("bf16_chunks", normal({2, 9001}), as(normal({2, 9001}), DType::bf16));
      pair("f32", normal({4, 33}), as(normal({4, 33}), DType::f32));
      pair("f32_chunks", normal({2, 9001}), as(normal({2, 9001}), DType::f32));
    }
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{});
    return {
        {{"shape", {normal({2, 3}), normal({3, 2})}, a}, "needs one shape"},
        {{"target", {as(integers({2}, 9), DType::i32), normal({2})}, a}, "needs floating dtypes"},
        {{"value", {normal({2}), integers({2}, 9)}, a}, "needs floating dtypes"}};
  }
  static Samples bench_samples() {
    const InputInit x = normal({1 << 20});
    const InputInit f32 = as(normal({1 << 24}), DType::f32),
                    bf16 = as(normal({1 << 24}), DType::bf16);
    return {{"1M", {x, x}, attrs(Attrs{})},
            {"f32_from_bf16_16M", {f32, bf16}, attrs(Attrs{})},
            {"assign_f32_from_bf16_16M", {f32, bf16}, attrs(Attrs{.adds = false})},
            {"assign_bf16_from_f32_16M", {bf16, f32}, attrs(Attrs{.adds = false})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs& a) {
    const auto n = static_cast<double>(x[0].shape.numel());
    const size_t bytes = (a.adds ? 2 : 1) * size_of(x[0].dtype) + size_of(x[1].dtype);
    return {.bytes = n * static_cast<double>(bytes), .flops = a.adds ? n : 0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Accumulate, accumulate)

namespace ito::ops {

void accumulate(const Tensor& target, const Tensor& value) {
  call(op_accumulate(), {target, value}, AccumulateAttrs{});
}

void assign(const Tensor& target, const Tensor& value) {
  call(op_accumulate(), {target, value}, AccumulateAttrs{.adds = false});
}

}  // namespace ito::ops
