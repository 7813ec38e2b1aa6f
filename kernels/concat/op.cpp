#include "kernels/concat/op.h"

#include "kernels/common/define_op.h"
#include "kernels/common/strided_copy.h"
#include "kernels/concat/params.h"
#include "kernels/slice/op.h"

namespace ito {
namespace {

struct Concat {
  static constexpr std::string_view name = "concat";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = ConcatAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(!x.empty(), ShapeError, "needs at least one tensor");
    const int axis = x[0].shape.normalize(a.axis);
    int64_t size = 0;
    for (const Spec& s : x) {
      ITO_CHECK(s.present && s.dtype == x[0].dtype, DTypeError, "tensors must have one dtype",
                kv("first", x[0].dtype), kv("other", s.dtype));
      ITO_CHECK(
          s.shape.rank() == x[0].shape.rank() && s.shape.with(axis, 0) == x[0].shape.with(axis, 0),
          ShapeError, "tensors must agree in the other axes", kv("axis", axis),
          kv("first", x[0].shape), kv("other", s.shape));
      size += s.shape[axis];
    }
    return {{x[0].shape.with(axis, size), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const int axis = x[0].shape().normalize(a.axis), rank = x[0].rank();
    int64_t size = 0, first = 0;
    for (const Tensor& t : x) size += t.size(axis);
    Tensor y = Tensor::empty(x[0].shape().with(axis, size), x[0].dtype());
    const int64_t inner = y.shape().numel_of(axis + 1, rank);
    dispatch_any(y.dtype(), [&]<class T>() {
      for (const Tensor& t : x) {
        const int64_t row = t.size(axis) * inner;
        for (int64_t i = 0; i < t.numel(); ++i) {
          y.data<T>()[(i / row * size + first) * inner + i % row] = t.data<T>()[i];
        }
        first += t.size(axis);
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Strides strides = row_major_strides(y[0].shape());
    const size_t element = size_of(y[0].dtype());
    const auto axis = static_cast<size_t>(y[0].shape().normalize(a.axis));
    auto* to = static_cast<char*>(y[0].raw());
    for (const Tensor& t : x) {
      strided_copy(t.shape(), element, {t.raw(), row_major_strides(t.shape())}, {to, strides});
      to += t.size(a.axis) * strides[axis] * static_cast<int64_t>(element);
    }
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    Tensors grads;
    int64_t first = 0;
    for (size_t i = 0; i < g.input_specs.size(); ++i) {
      const int64_t last = first + g.input_specs[i].shape[a.axis];
      grads.push_back(g.needs[i] ? ops::slice(g.grad_out[0], a.axis, first, last) : Tensor());
      first = last;
    }
    return grads;
  }

  static Samples samples() {
    const auto sample = [](const char* id, std::vector<Shape> shapes, int axis,
                           bool gradients = true) {
      Sample s{id, {}, attrs(Attrs{axis}), gradients};
      for (const Shape& shape : shapes) s.inputs.push_back(normal(shape));
      return s;
    };
    Sample indices = sample("i64", {}, 0, false);
    indices.inputs = {integers({3, 2}, 50), integers({1, 2}, 50)};
    Sample partly = sample("one_constant", {{2, 3}, {2, 2}, {2, 1}}, 1);
    partly.inputs[1].differentiable = false;
    return {sample("channels", {{2, 3, 3, 5}, {2, 3, 3, 2}}, -1),
            sample("wide", {{2, 3, 16}, {2, 3, 8}}, -1),
            sample("batch", {{2, 5}, {1, 5}, {4, 5}}, 0),
            sample("middle", {{2, 3, 4}, {2, 1, 4}}, 1),
            sample("one", {{3, 4}}, 1),
            sample("five", {{1, 2}, {1, 3}, {1, 1}, {1, 7}, {1, 2}}, 1),
            sample("one_is_empty", {{2, 3}, {2, 0}, {2, 1}}, 1),
            sample("empty", {{0, 3}, {0, 2}}, 1),
            sample("vectors", {{4}, {9}}, 0),
            sample("long", {{65, 301}, {65, 17}}, 1, false),
            partly,
            indices};
  }
  static ErrorSamples errors() {
    return {
        {{"shapes", {normal({2, 3}), normal({3, 3})}, attrs(Attrs{1})}, "agree in the other axes"},
        {{"ranks", {normal({2, 3}), normal({2})}, attrs(Attrs{0})}, "agree in the other axes"},
        {{"dtypes", {normal({2}), integers({2}, 3)}, attrs(Attrs{0})}, "one dtype"},
        {{"nothing", {}, attrs(Attrs{0})}, "needs at least one tensor"},
        {{"axis", {normal({2}), normal({2})}, attrs(Attrs{1})}, "axis out of range"}};
  }
  static Samples bench_samples() {
    return {{"skip", {normal({8, 32, 32, 128}), normal({8, 32, 32, 128})}, attrs(Attrs{3})}};
  }
  static Cost cost(const Specs&, const Specs& y, const Attrs&) {
    return {2 * static_cast<double>(y[0].shape.numel()) * static_cast<double>(size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Concat, concat)

namespace ito::ops {

Tensor concat(const Tensors& tensors, int axis) {
  return call(op_concat(), tensors, ConcatAttrs{axis})[0];
}

}  // namespace ito::ops
