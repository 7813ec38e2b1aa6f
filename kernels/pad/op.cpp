#include "kernels/pad/op.h"

#include <algorithm>
#include <cstring>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/pad/params.h"
#include "kernels/slice/op.h"

namespace ito {
namespace {

struct Pad {
  static constexpr std::string_view name = "pad";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = PadAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(a.before >= 0 && a.after >= 0, ShapeError, "padding must not be negative",
              kv("before", a.before), kv("after", a.after));
    const int64_t size = x[0].shape[a.axis];
    return {{x[0].shape.with(a.axis, a.before + size + a.after), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape& shape = x[0].shape();
    const int axis = shape.normalize(a.axis);
    Tensor y = Tensor::zeros(shape.with(axis, a.before + shape[axis] + a.after), x[0].dtype());
    const int64_t inner = shape.numel_of(axis + 1, shape.rank()), row = shape[axis] * inner;
    const int64_t padded = y.size(axis) * inner;
    dispatch_any(y.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < x[0].numel(); ++i) {
        y.data<T>()[i / row * padded + a.before * inner + i % row] = x[0].data<T>()[i];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const Shape& shape = x[0].shape();
    const int axis = shape.normalize(a.axis);
    const auto element = static_cast<int64_t>(size_of(x[0].dtype()));
    const int64_t inner = shape.numel_of(axis + 1, shape.rank()) * element;
    const int64_t before = a.before * inner, row = shape[axis] * inner, after = a.after * inner;
    const int64_t padded = before + row + after;
    const auto* from = static_cast<const char*>(x[0].raw());
    auto* to = static_cast<char*>(y[0].raw());
    parallel_ranges(shape.numel_of(0, axis), (1 << 16) / padded, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        char* out = to + r * padded;
        std::memset(out, 0, static_cast<size_t>(before));
        if (row > 0) std::memcpy(out + before, from + r * row, static_cast<size_t>(row));
        std::memset(out + before + row, 0, static_cast<size_t>(after));
      }
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::slice(g.grad_out[0], a.axis, a.before, a.before + g.input_specs[0].shape[a.axis])};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int axis, int64_t before, int64_t after,
                           bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{axis, before, after}), gradients};
    };
    Sample indices = sample("i64", {1}, 1, 1, 4, false);
    indices.inputs = {integers({3, 5}, 1000)};
    return {sample("first", {5, 3, 2}, 0, 1, 4),
            sample("middle", {2, 5, 3}, 1, 2, 0),
            sample("last", {2, 3, 7}, -1, 0, 3),
            sample("nothing", {3, 4}, 0, 0, 0),
            sample("of_nothing", {3, 0}, 1, 2, 1),
            sample("empty", {0, 4}, 1, 1, 3),
            sample("vector", {9}, 0, 4, 9),
            sample("image_rows", {2, 4, 5, 3}, 1, 0, 1),
            sample("image", {2, 4, 5, 3}, 2, 0, 1),
            sample("wide", {2, 3, 2, 8}, 2, 1, 2),
            sample("long", {301, 211}, 1, 1, 2, false),
            indices};
  }
  static ErrorSamples errors() {
    return {{{"negative", {normal({3, 4})}, attrs(Attrs{0, -1, 0})},
             "padding must not be negative (before=-1, after=0)"},
            {{"axis", {normal({3, 4})}, attrs(Attrs{2, 0, 0})}, "axis out of range"}};
  }
  static Samples bench_samples() {
    return {{"image", {normal({8, 32, 32, 128})}, attrs(Attrs{2, 0, 1})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Pad, pad)

namespace ito::ops {

Tensor pad(const Tensor& x, int axis, int64_t before, int64_t after) {
  return call(op_pad(), {x}, PadAttrs{axis, before, after})[0];
}

}  // namespace ito::ops
