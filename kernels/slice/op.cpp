#include "kernels/slice/op.h"

#include "kernels/common/define_op.h"
#include "kernels/common/strided_copy.h"
#include "kernels/pad/op.h"
#include "kernels/slice/params.h"

namespace ito {
namespace {

struct Slice {
  static constexpr std::string_view name = "slice";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = SliceAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const int64_t size = x[0].shape[a.axis];
    ITO_CHECK(0 <= a.begin && a.begin <= a.end && a.end <= size, ShapeError,
              "range must lie inside the axis", kv("begin", a.begin), kv("end", a.end),
              kv("size", size));
    return {{x[0].shape.with(a.axis, a.end - a.begin), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape& shape = x[0].shape();
    Tensor y = Tensor::empty(shape.with(a.axis, a.end - a.begin), x[0].dtype());
    const int axis = shape.normalize(a.axis);
    const int64_t inner = shape.numel_of(axis + 1, shape.rank());
    const int64_t row = (a.end - a.begin) * inner;
    dispatch_any(y.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        y.data<T>()[i] = x[0].data<T>()[i / row * shape[axis] * inner + a.begin * inner + i % row];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Shape& shape = x[0].shape();
    const Strides strides = row_major_strides(shape);
    const size_t bytes = size_of(x[0].dtype());
    const int64_t skipped = a.begin * strides[static_cast<size_t>(shape.normalize(a.axis))];
    strided_copy(
        y[0].shape(), bytes,
        {static_cast<const char*>(x[0].raw()) + skipped * static_cast<int64_t>(bytes), strides},
        {y[0].raw(), row_major_strides(y[0].shape())});
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::pad(g.grad_out[0], a.axis, a.begin, g.input_specs[0].shape[a.axis] - a.end)};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int axis, int64_t begin, int64_t end,
                           bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{axis, begin, end}), gradients};
    };
    Sample indices = sample("i64", {1}, 1, 1, 4, false);
    indices.inputs = {integers({3, 5}, 1000)};
    return {sample("first", {5, 3, 2}, 0, 1, 4),
            sample("middle", {2, 5, 3}, 1, 2, 5),
            sample("last", {2, 3, 7}, -1, 3, 6),
            sample("one_column", {4, 5}, 1, 2, 3),
            sample("all", {3, 4}, 0, 0, 3),
            sample("channels", {2, 3, 3, 8}, 3, 0, 4),
            sample("nothing", {3, 4}, 1, 2, 2),
            sample("empty", {0, 4}, 1, 1, 3),
            sample("vector", {9}, 0, 4, 9),
            sample("long", {3, 20011}, 1, 1, 20000, false),
            indices};
  }
  static ErrorSamples errors() {
    const auto bad = [](int axis, int64_t begin, int64_t end) {
      return Sample{"bad", {normal({3, 4})}, attrs(Attrs{axis, begin, end})};
    };
    return {{bad(1, 2, 5), "range must lie inside the axis (begin=2, end=5, size=4)"},
            {bad(1, -1, 2), "range must lie inside"},
            {bad(0, 2, 1), "range must lie inside"},
            {bad(2, 0, 1), "axis out of range"}};
  }
  static Samples bench_samples() {
    return {{"channels", {normal({8, 32, 32, 256})}, attrs(Attrs{3, 0, 128})}};
  }
  static Cost cost(const Specs&, const Specs& y, const Attrs&) {
    return {2 * static_cast<double>(y[0].shape.numel()) * static_cast<double>(size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Slice, slice)

namespace ito::ops {

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end) {
  return call(op_slice(), {x}, SliceAttrs{axis, begin, end})[0];
}

}  // namespace ito::ops
