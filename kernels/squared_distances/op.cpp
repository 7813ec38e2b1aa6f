#include "kernels/squared_distances/op.h"

#include "kernels/common/define_op.h"
#include "kernels/squared_distances/cpu.h"

namespace ito {
namespace {

struct NoAttrs {};

struct SquaredDistances {
  static constexpr std::string_view name = "squared_distances";
  static constexpr OpKind kind = OpKind::constant;
  using Attrs = NoAttrs;

  static DType sums_of(DType x) { return x == DType::f64 ? DType::f64 : DType::f32; }
  static Specs infer(const Specs& x, const Attrs&) {
    const Shape &a = x[0].shape, &b = x[1].shape;
    ITO_CHECK(a.rank() == 2 && b.rank() == 2 && a[1] == b[1], ShapeError, "needs [M, D] and [N, D]",
              kv("a", a), kv("b", b));
    ITO_CHECK(is_floating(x[0].dtype) && x[0].dtype == x[1].dtype, DTypeError,
              "needs one floating dtype", kv("a", x[0].dtype), kv("b", x[1].dtype));
    return {{{a[0], b[0]}, sums_of(x[0].dtype), x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    const int64_t m = x[0].size(0), n = x[1].size(0), depth = x[0].size(1);
    const Tensor y = Tensor::empty({m, n}, sums_of(x[0].dtype()));
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      for (int64_t i = 0; i < y.numel(); ++i) {
        const T *a = x[0].data<T>() + i / n * depth, *b = x[1].data<T>() + i % n * depth;
        A sum = 0;
        for (int64_t d = 0; d < depth; ++d) {
          const A difference = static_cast<A>(a[d]) - static_cast<A>(b[d]);
          sum += difference * difference;
        }
        y.data<A>()[i] = sum;
      }
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs&) {
    if (y[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      squared_distances_cpu(launch, x[0].size(0), x[1].size(0), x[0].size(1), x[0].data<T>(),
                            x[1].data<T>(), y[0].data<Acc<T>>());
    });
  }

  static Samples samples() {
    const auto sample = [](const char* id, int64_t m, int64_t n, int64_t depth, double mean = 0) {
      return Sample{id, {normal({m, depth}, mean), normal({n, depth}, mean)}, attrs(Attrs{})};
    };
    const InputInit three = values({3, 2}, {1, 2, 1, 2, -0.5, 4});
    return {sample("odd", 5, 7, 3),
            sample("one", 1, 1, 1),
            sample("one_row", 1, 9, 12),
            sample("one_column", 10, 1, 6),
            sample("tile", 64, 64, 32),
            sample("below_a_tile", 63, 61, 31),
            sample("above_a_tile", 65, 67, 33),
            sample("wide_words", 66, 70, 40),
            sample("deep", 3, 5, 1027),
            sample("far_from_zero", 6, 5, 48, 1e3),
            {"equal_rows", {three, three}, attrs(Attrs{})},
            sample("no_rows", 0, 4, 3),
            sample("no_columns", 4, 0, 3),
            sample("no_depth", 4, 3, 0)};
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{});
    return {{{"depth", {normal({2, 3}), normal({2, 4})}, a}, "needs [M, D] and [N, D]"},
            {{"rank", {normal({2, 3, 1}), normal({2, 3})}, a}, "needs [M, D] and [N, D]"},
            {{"mixed", {normal({2, 3}), as(normal({2, 3}), DType::f64)}, a}, "one floating dtype"},
            {{"integers", {integers({2, 3}, 5), integers({2, 3}, 5)}, a}, "one floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"512x512x3072", {normal({512, 3072}), normal({512, 3072})}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto bytes = [](const Spec& s) {
      return static_cast<double>(s.shape.numel()) * static_cast<double>(size_of(s.dtype));
    };
    return {bytes(x[0]) + bytes(x[1]) + bytes(y[0]),
            3 * static_cast<double>(y[0].shape.numel()) * static_cast<double>(x[0].shape[1])};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(SquaredDistances, squared_distances)

namespace ito::ops {

Tensor squared_distances(const Tensor& a, const Tensor& b) {
  return call(op_squared_distances(), {a, b}, NoAttrs{})[0];
}

}  // namespace ito::ops
