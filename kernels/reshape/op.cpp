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

Tensor reshape(const Tensor& x, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes = shape;
  int64_t known = 1;
  int64_t* free_size = nullptr;
  for (int64_t& size : sizes) {
    if (size == -1) {
      ITO_CHECK(free_size == nullptr, ShapeError, "at most one size may be -1");
      free_size = &size;
    } else {
      known *= size;
    }
  }
  if (free_size != nullptr) {
    ITO_CHECK(known > 0 && x.numel() % known == 0, ShapeError, "size -1 cannot be computed",
              kv("elements", x.numel()), kv("others", known));
    *free_size = x.numel() / known;
  }
  return reshape(x, Shape(std::span<const int64_t>(sizes)));
}

}  // namespace ito::ops
