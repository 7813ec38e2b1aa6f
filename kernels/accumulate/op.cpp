#include "kernels/accumulate/op.h"

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

struct NoAttrs {};

struct Accumulate {
  static constexpr std::string_view name = "accumulate";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr uint32_t mutated_inputs = 1;
  static constexpr int visible_outputs = 0;
  using Attrs = NoAttrs;

  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(is_floating(x[0].dtype) && x[0].dtype == x[1].dtype, DTypeError,
              "needs one floating dtype", kv("target", x[0].dtype), kv("value", x[1].dtype));
    ITO_CHECK(x[0].shape == x[1].shape, ShapeError, "needs one shape", kv("target", x[0].shape),
              kv("value", x[1].shape));
    return {};
  }
  template <class T>
  static void add(T* to, const T* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      to[i] = static_cast<T>(static_cast<Acc<T>>(to[i]) + static_cast<Acc<T>>(from[i]));
    }
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    const Tensor sum = x[0].clone();
    dispatch_float(sum.dtype(), name,
                   [&]<class T>() { add(sum.data<T>(), x[1].data<T>(), sum.numel()); });
    return {sum};
  }
  static void forward(Launch&, const Tensors& x, const Tensors&, const Attrs&) {
    constexpr int64_t kChunk = 1 << 14;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      parallel_ranges(x[0].numel(), kChunk, [&](int64_t begin, int64_t end) {
        add(x[0].data<T>() + begin, x[1].data<T>() + begin, end - begin);
      });
    });
  }

  static Samples samples() {
    const auto pair = [](const char* id, Shape shape) {
      return Sample{id, {normal(shape), normal(shape)}, attrs(Attrs{}), false};
    };
    return {pair("vector", {64}), pair("odd", {3, 5, 7}), pair("scalar", {}),
            pair("chunks", {2, 9000}), pair("empty", {0, 4})};
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{});
    return {{{"shape", {normal({2, 3}), normal({3, 2})}, a}, "needs one shape"},
            {{"dtype", {normal({2}), as(normal({2}), DType::f64)}, a}, "needs one floating dtype"}};
  }
  static Samples bench_samples() {
    const InputInit x = normal({1 << 20});
    return {{"1M", {x, x}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {.bytes = 3 * n * static_cast<double>(size_of(x[0].dtype)), .flops = n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Accumulate, accumulate)

namespace ito::ops {

void accumulate(const Tensor& target, const Tensor& value) {
  call(op_accumulate(), {target, value}, NoAttrs{});
}

}  // namespace ito::ops
