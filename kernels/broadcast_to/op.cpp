#include "kernels/broadcast_to/op.h"

#include <algorithm>

#include "engine/core/parallel.h"
#include "kernels/common/broadcast.h"
#include "kernels/common/define_op.h"
#include "kernels/reduce/op.h"

namespace ito {
namespace {

struct BroadcastAttrs {
  Shape shape;
};

template <class T>
void copy_rows(const BroadcastPlan& plan, const T* x, T* y) {
  const int64_t inner = plan.inner();
  const bool repeats = plan.stride_a[plan.rank - 1] == 0;
  parallel_ranges(plan.rows(), std::max<int64_t>(1, (1 << 14) / inner),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t r = begin; r < end; ++r) {
                      const T* from = x + plan.offsets(r).a;
                      if (repeats) {
                        std::fill_n(y + r * inner, inner, *from);
                      } else {
                        std::copy_n(from, inner, y + r * inner);
                      }
                    }
                  });
}

struct BroadcastTo {
  static constexpr std::string_view name = "broadcast_to";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = BroadcastAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(broadcast_shapes(x[0].shape, a.shape) == a.shape, ShapeError,
              "shape does not broadcast", kv("from", x[0].shape), kv("to", a.shape));
    return {{a.shape, x[0].dtype, x[0].device}};
  }
  /// y[i0, i1, ...] = x[i0 mod n0, i1 mod n1, ...], axes aligned right.
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(a.shape, x[0].dtype());
    const Shape& from = x[0].shape();
    dispatch_float(y.dtype(), name, [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        int64_t rest = i, source = 0, step = 1;
        for (int axis = 1; axis <= from.rank(); ++axis) {
          source += rest % a.shape[-axis] % from[-axis] * step;
          step *= from[-axis];
          rest /= a.shape[-axis];
        }
        y.data<T>()[i] = x[0].data<T>()[source];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const BroadcastPlan plan = plan_broadcast(x[0].shape(), Shape{}, a.shape);
    dispatch_float(y[0].dtype(), name,
                   [&]<class T>() { copy_rows(plan, x[0].data<T>(), y[0].data<T>()); });
  }
  static Tensors gradient(const GradCall& g, const Attrs&) {
    return {ops::sum_to(g.grad_out[0], g.input_specs[0].shape)};
  }
  static Samples samples() {
    return {{"rows", {normal({5})}, attrs(Attrs{{3, 5}})},
            {"columns", {normal({3, 1})}, attrs(Attrs{{3, 5}})},
            {"middle", {normal({2, 1, 3})}, attrs(Attrs{{2, 4, 3}})},
            {"ends", {normal({1, 7, 1})}, attrs(Attrs{{2, 7, 3}})},
            {"scalar", {normal(Shape{})}, attrs(Attrs{{2, 3}})},
            {"same", {normal({2, 3})}, attrs(Attrs{{2, 3}})},
            {"empty", {normal({1, 3})}, attrs(Attrs{{0, 3}})},
            {"empty_source", {normal({0, 1})}, attrs(Attrs{{0, 3}})}};
  }
  static ErrorSamples errors() {
    return {{{"shape", {normal({2})}, attrs(Attrs{{3}})}, "shapes do not broadcast"},
            {{"shrinks", {normal({2, 3})}, attrs(Attrs{{3}})}, "does not broadcast"}};
  }
  static Samples bench_samples() {
    return {{"channels", {normal({128})}, attrs(Attrs{{8, 32, 32, 128}})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(x[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(BroadcastTo, broadcast_to)

namespace ito::ops {

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return call(op_broadcast_to(), {x}, BroadcastAttrs{shape})[0];
}

}  // namespace ito::ops
