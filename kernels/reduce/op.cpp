#include "kernels/reduce/op.h"

#include <algorithm>
#include <limits>

#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/common/define_op.h"
#include "kernels/reduce/cpu.h"
#include "kernels/reduce/params.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

using ops::ReduceKind;

struct Reduce {
  static constexpr std::string_view name = "reduce";
  static constexpr OpKind kind = OpKind::primitive;
  static constexpr uint32_t saved_inputs =
      1;  // maximum needs it; a sum keeps only the handle alive
  using Attrs = ReduceAttrs;

  static SavedMasks saved(const Attrs& a) { return {.inputs = a.kind == ReduceKind::maximum}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    Shape out = x[0].shape;
    for (int axis = a.first; axis <= a.last; ++axis) out = out.with(axis, 1);
    const bool nothing = x[0].shape.numel_of(a.first, a.last + 1) == 0;
    ITO_CHECK(a.kind == ReduceKind::sum || !nothing, ShapeError,
              "mean and maximum need at least one element", kv("x", x[0].shape));
    return {{out, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Shape out = x[0].shape();
    for (int axis = a.first; axis <= a.last; ++axis) out = out.with(axis, 1);
    const int64_t count = x[0].shape().numel_of(a.first, a.last + 1);
    const int64_t inner = x[0].shape().numel_of(a.last + 1, x[0].rank());
    Tensor y = Tensor::empty(out, x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      using A = Acc<T>;
      for (int64_t j = 0; j < y.numel(); ++j) {
        const T* column = x[0].data<T>() + j / inner * count * inner + j % inner;
        A total = a.kind == ReduceKind::maximum ? -std::numeric_limits<A>::infinity() : A(0);
        for (int64_t r = 0; r < count; ++r) {
          const auto value = static_cast<A>(column[r * inner]);
          total = a.kind == ReduceKind::maximum ? std::max(total, value) : total + value;
        }
        y.data<T>()[j] =
            static_cast<T>(a.kind == ReduceKind::mean ? total / static_cast<A>(count) : total);
      }
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    const Shape& s = x[0].shape();
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      reduce_cpu(launch, a.kind, x[0].data<T>(), y[0].data<T>(), s.numel_of(0, a.first),
                 s.numel_of(a.first, a.last + 1), s.numel_of(a.last + 1, s.rank()));
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const Shape& shape = g.input_specs[0].shape;
    if (a.kind == ReduceKind::maximum) {
      const Tensor& x = g.inputs[0];
      const Tensor is_maximum = ops::greater_equal(x, ops::reduce_run(a.kind, x, a.first, a.last));
      const Tensor ties = ops::reduce_run(ReduceKind::sum, is_maximum, a.first, a.last);
      return {is_maximum * (g.grad_out[0] / ties)};
    }
    const double count = static_cast<double>(shape.numel_of(a.first, a.last + 1));
    const Tensor gy = a.kind == ReduceKind::mean ? g.grad_out[0] * (1 / count) : g.grad_out[0];
    return {ops::broadcast_to(gy, shape)};
  }

  static Samples samples() {
    Samples list;
    const char* names[] = {"sum", "mean", "max"};
    for (int k = 0; k < 3; ++k) {
      const auto add = [&](const char* id, Shape shape, int first, int last,
                           bool gradients = true) {
        list.push_back({std::string(names[k]) + "_" + id,
                        {normal(shape, 0.3, 1)},
                        attrs(Attrs{static_cast<ReduceKind>(k), first, last}),
                        gradients});
      };
      add("last", {3, 17}, 1, 1);
      add("first", {5, 3}, 0, 0);
      add("middle", {2, 3, 5, 4}, 1, 2);
      add("all", {3, 4, 5}, 0, 2);
      add("one", {2, 1, 3}, 1, 1);
      add("short_rows", {70, 6}, 1, 1);
      add("wide_rows", {3, 64}, 1, 1);
      add("block_rows", {2, 2048}, 1, 1, false);
      add("cut_row", {1, 40000}, 1, 1, false);
      add("wide_columns", {3, 5, 40}, 1, 1);
      add("cut_columns", {2, 301, 16}, 1, 1, false);
      add("strips", {5, 300}, 0, 0);
      add("long_row", {2, 70001}, 1, 1, false);
      add("long_column", {20011, 3}, 0, 0, false);
      add("empty_outer", {0, 3}, 1, 1);
    }
    list.push_back({"sum_of_nothing", {normal({3, 0, 2})}, attrs(Attrs{ReduceKind::sum, 1, 1})});
    list.push_back(
        {"sum_offset", {normal({4, 4097}, 1e3, 1)}, attrs(Attrs{ReduceKind::sum, 1, 1}), false});
    return list;
  }
  static ErrorSamples errors() {
    return {{{"nothing", {normal({3, 0})}, attrs(Attrs{ReduceKind::mean, 1, 1})}, "at least one"},
            {{"axis", {normal({3})}, attrs(Attrs{ReduceKind::sum, 1, 1})}, "axis out of range"}};
  }
  static Samples bench_samples() {
    return {{"channels", {normal({8, 32, 32, 128})}, attrs(Attrs{ReduceKind::sum, 0, 2})},
            {"rows", {normal({4096, 4096})}, attrs(Attrs{ReduceKind::sum, 1, 1})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(x[0].dtype)),
            static_cast<double>(x[0].shape.numel())};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Reduce, reduce)

namespace ito::ops {

Tensor reduce_run(ReduceKind kind, const Tensor& x, int first, int last) {
  return call(op_reduce(), {x}, ReduceAttrs{kind, first, last})[0];
}

Tensor reduce(ReduceKind kind, const Tensor& x, const std::vector<int>& axes) {
  bool reduced[Shape::kMaxRank] = {};
  for (int axis : axes) reduced[x.shape().normalize(axis)] = true;
  Tensor y = x;
  for (int first = 0; first < x.rank(); ++first) {
    if (!reduced[first]) continue;
    int last = first;
    while (last + 1 < x.rank() && reduced[last + 1]) ++last;
    y = reduce_run(kind, y, first, last);
    first = last;
  }
  return y;
}

namespace {

Tensor reduce_and_drop(ReduceKind kind, const Tensor& x, const std::vector<int>& axes) {
  const Tensor y = reduce(kind, x, axes);
  bool reduced[Shape::kMaxRank] = {};
  for (int axis : axes) reduced[x.shape().normalize(axis)] = true;
  std::vector<int64_t> kept;
  for (int i = 0; i < x.rank(); ++i) {
    if (!reduced[i]) kept.push_back(x.size(i));
  }
  return reshape(y, Shape(std::span<const int64_t>(kept)));
}

std::vector<int> all_axes(const Tensor& x) {
  std::vector<int> axes;
  for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

}  // namespace

Tensor sum(const Tensor& x) { return sum(x, all_axes(x)); }
Tensor mean(const Tensor& x) { return mean(x, all_axes(x)); }
Tensor sum(const Tensor& x, const std::vector<int>& axes) {
  return reduce_and_drop(ReduceKind::sum, x, axes);
}
Tensor mean(const Tensor& x, const std::vector<int>& axes) {
  return reduce_and_drop(ReduceKind::mean, x, axes);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  std::vector<int> axes;
  for (int i = 1; i <= x.rank(); ++i) {
    if (i > shape.rank() || (shape[-i] == 1 && x.size(-i) != 1)) axes.push_back(x.rank() - i);
  }
  return reshape(reduce(ReduceKind::sum, x, axes), shape);
}

}  // namespace ito::ops
