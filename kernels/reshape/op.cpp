#include "kernels/reshape/op.h"

#include "kernels/common/define_op.h"

namespace ito {
namespace {

struct ReshapeAttrs {
  Shape shape;
};

struct Reshape {
  static constexpr std::string_view name = "reshape";
  static constexpr OpKind kind = OpKind::primitive;
  static constexpr bool shares_input = true;
  using Attrs = ReshapeAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(x[0].shape.numel() == a.shape.numel(), ShapeError, "number of elements changes",
              kv("from", x[0].shape), kv("to", a.shape));
    return {{a.shape, x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) { return {x[0].alias(a.shape)}; }
  static Tensors gradient(const GradCall& g, const Attrs&) {
    return {ops::reshape(g.grad_out[0], g.input_specs[0].shape)};
  }
  static Samples samples() {
    return {{"2x3_to_3x2", {normal({2, 3})}, attrs(Attrs{{3, 2}})},
            {"scalar", {normal({1, 1})}, attrs(Attrs{Shape{}})},
            {"empty", {normal({0, 3})}, attrs(Attrs{{3, 0, 2}})},
            {"flatten", {normal({2, 3, 5, 7})}, attrs(Attrs{{2, 105}})}};
  }
  static ErrorSamples errors() {
    return {{{"count", {normal({2, 3})}, attrs(Attrs{{7}})}, "number of elements changes"}};
  }
  static Samples bench_samples() { return {}; }
  static Cost cost(const Specs&, const Specs&, const Attrs&) { return {}; }
};

}  // namespace
}  // namespace ito

ITO_OP(Reshape, reshape)

namespace ito::ops {

Tensor reshape(const Tensor& x, const Shape& shape) {
  return call(op_reshape(), {x}, ReshapeAttrs{shape})[0];
}

Tensor flatten(const Tensor& x) {
  return reshape(x, Shape{x.size(0), x.shape().numel_of(1, x.rank())});
}

}  // namespace ito::ops
