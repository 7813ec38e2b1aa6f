#include "kernels/max_pool_dx/op.h"

#include <cmath>

#include "kernels/common/define_op.h"
#include "kernels/max_pool/cpu.h"
#include "kernels/max_pool/op.h"
#include "kernels/max_pool/plain.h"

namespace ito {
namespace {

using ops::MaxPoolAttrs;

struct MaxPoolDx {
  static constexpr std::string_view name = "max_pool_dx";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = MaxPoolAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 2}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("gy", x[0].dtype));
    ITO_CHECK(x[1].dtype == x[0].dtype, DTypeError, "gy and keys must have one dtype",
              kv("gy", x[0].dtype), kv("keys", x[1].dtype));
    const PoolGeometry g = pool_geometry(x[1].shape, a);
    ITO_CHECK(x[0].shape == g.windows(), ShapeError, "gy must have one number per window",
              kv("gy", x[0].shape), kv("expected", g.windows()));
    return {{x[1].shape, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const PoolGeometry g = pool_geometry(x[1].shape(), a);
    Tensor gx = Tensor::empty(x[1].shape(), x[1].dtype());
    dispatch_float(gx.dtype(), name, [&]<class T>() {
      const T* keys = x[1].data<T>();
      std::vector<Acc<T>> sums(static_cast<size_t>(gx.numel()), 0);
      for (int64_t o = 0; o < x[0].numel(); ++o) {
        const auto chosen = static_cast<size_t>(chosen_pixel(g, keys, o));
        sums[chosen] += static_cast<Acc<T>>(x[0].data<T>()[o]);
      }
      for (size_t i = 0; i < sums.size(); ++i) gx.data<T>()[i] = static_cast<T>(sums[i]);
    });
    return {gx};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const PoolGeometry g = pool_geometry(x[1].shape(), a);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      max_pool_dx_cpu(launch, g, x[0].data<T>(), x[1].data<T>(), y[0].data<T>());
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::max_pool(g.grad_out[0], g.inputs[1].detach(), a), Tensor()};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, Attrs a, bool gradients = true) {
      const Shape gy = pool_geometry(x, a).windows();
      return Sample{id, {normal(gy), constant(normal(x))}, attrs(a), gradients};
    };
    Sample ties = sample("ties", {1, 3, 4, 2}, {3, 1, 1});
    ties.inputs[1] = constant(values({1, 3, 4, 2}, std::vector<double>(24, 0.5)));
    Sample nan = sample("nan", {1, 3, 3, 1}, {3, 1, 1});
    nan.inputs[1] = constant(values({1, 3, 3, 1}, {1, 2, 3, 4, NAN, 5, 6, NAN, 7}));
    Samples list;
    for (const PoolCase& c : kPoolCases) list.push_back(sample(c.id, c.x, c.attrs, !c.large));
    list.push_back(ties);
    list.push_back(nan);
    return list;
  }
  static ErrorSamples errors() {
    const Shape x{1, 4, 4, 2};
    const AnyAttrs halving = attrs(Attrs{2, 2, 0});
    return {{{"windows", {normal({1, 3, 2, 2}), normal(x)}, halving}, "one number per window"},
            {{"rank", {normal(x), normal({4, 4, 2})}, halving}, "x must be [N, H, W, C]"},
            {{"dtypes", {normal({1, 2, 2, 2}), as(normal(x), DType::f64)}, halving}, "one dtype"}};
  }
  static Samples bench_samples() {
    const Shape x{8, 32, 32, 128};
    return {{"8x32x32x128", {normal(x), normal(x)}, attrs(Attrs{5, 1, 2})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs& a) {
    const auto windows = static_cast<double>(x[0].shape.numel());
    return {(static_cast<double>(x[1].shape.numel()) * 2 + windows) *
                static_cast<double>(size_of(y[0].dtype)),
            2 * windows * a.kernel * a.kernel};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(MaxPoolDx, max_pool_dx)

namespace ito::ops {

Tensor max_pool_dx(const Tensor& gy, const Tensor& keys, const MaxPoolAttrs& attrs) {
  return call(op_max_pool_dx(), {gy, keys}, attrs)[0];
}

}  // namespace ito::ops
