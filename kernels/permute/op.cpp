#include "kernels/permute/op.h"

#include "kernels/common/define_op.h"
#include "kernels/common/strided_copy.h"
#include "kernels/permute/params.h"

namespace ito {
namespace {

std::vector<int> inverse_of(const std::vector<int>& axes) {
  const int rank = static_cast<int>(axes.size());
  std::vector<int> inverse(axes.size());
  for (int j = 0; j < rank; ++j) {
    const int axis = axes[static_cast<size_t>(j)];
    inverse[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = j;
  }
  return inverse;
}

struct Permute {
  static constexpr std::string_view name = "permute";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = PermuteAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const Shape& shape = x[0].shape;
    ITO_CHECK(static_cast<int>(a.axes.size()) == shape.rank(), ShapeError,
              "axes must name every axis once", kv("axes", a.axes.size()), kv("x", shape));
    bool named[Shape::kMaxRank] = {};
    std::vector<int64_t> sizes;
    for (const int axis : a.axes) {
      bool& seen = named[shape.normalize(axis)];
      ITO_CHECK(!seen, ShapeError, "axes must name every axis once", kv("repeated", axis));
      seen = true;
      sizes.push_back(shape[axis]);
    }
    return {{Shape(std::span<const int64_t>(sizes)), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Shape& from = x[0].shape();
    const Shape to = infer({spec_of(x[0])}, a)[0].shape;
    Tensor y = Tensor::empty(to, x[0].dtype());
    dispatch_any(y.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        int64_t rest = i, source = 0;
        for (int j = to.rank() - 1; j >= 0; --j) {
          const int axis = from.normalize(a.axes[static_cast<size_t>(j)]);
          source += rest % to[j] * from.numel_of(axis + 1, from.rank());
          rest /= to[j];
        }
        y.data<T>()[i] = x[0].data<T>()[source];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs& a) {
    strided_copy(y[0].shape(), size_of(y[0].dtype()),
                 {x[0].raw(), permuted_strides(x[0].shape(), a.axes)},
                 {y[0].raw(), row_major_strides(y[0].shape())});
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    return {ops::permute(g.grad_out[0], inverse_of(a.axes))};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, std::vector<int> axes, bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(Attrs{std::move(axes)}), gradients};
    };
    Sample indices = sample("i64", {1}, {2, 0, 1}, false);
    indices.inputs = {integers({3, 4, 5}, 1000)};
    Sample bytes = sample("u8", {1}, {1, 0}, false);
    bytes.inputs = {as(uniform({19, 35}, 0, 255), DType::u8)};
    return {sample("transpose", {17, 35}, {1, 0}),
            sample("nchw_to_nhwc", {2, 3, 5, 7}, {0, 2, 3, 1}),
            sample("nhwc_to_nchw", {2, 5, 7, 3}, {0, -1, 1, 2}),
            sample("middle", {2, 3, 4, 5}, {0, 2, 1, 3}),
            sample("heads", {2, 3, 5, 8}, {0, 2, 1, 3}),
            sample("tiles", {2, 33, 40}, {2, 0, 1}),
            sample("reverse", {2, 3, 4, 5}, {3, 2, 1, 0}),
            sample("identity", {3, 5}, {0, 1}),
            sample("ones", {1, 6, 1, 3}, {2, 3, 0, 1}),
            sample("scalar", Shape{}, {}),
            sample("six_axes", {2, 3, 1, 2, 3, 2}, {5, 1, 3, 0, 4, 2}),
            sample("long", {3, 257, 129}, {2, 0, 1}, false),
            sample("long_row", {2, 3, 9001}, {1, 0, 2}, false),
            sample("empty", {3, 0, 2}, {1, 2, 0}),
            indices,
            bytes};
  }
  static ErrorSamples errors() {
    return {{{"count", {normal({2, 3})}, attrs(Attrs{{0}})}, "axes must name every axis once"},
            {{"twice", {normal({2, 3})}, attrs(Attrs{{1, -1}})}, "axes must name every axis once"},
            {{"range", {normal({2, 3})}, attrs(Attrs{{0, 2}})}, "axis out of range"}};
  }
  static Samples bench_samples() {
    return {{"nchw_to_nhwc", {normal({8, 128, 32, 32})}, attrs(Attrs{{0, 2, 3, 1}})},
            {"heads", {normal({8, 1024, 4, 64})}, attrs(Attrs{{0, 2, 1, 3}})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    return {2 * static_cast<double>(x[0].shape.numel()) * static_cast<double>(size_of(x[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Permute, permute)

namespace ito::ops {

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  return call(op_permute(), {x}, PermuteAttrs{axes})[0];
}

}  // namespace ito::ops
