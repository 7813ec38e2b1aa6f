#include "kernels/gather/op.h"

#include <cstring>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/gather/index.h"
#include "kernels/scatter_add/op.h"

namespace ito {
namespace {

struct NoAttrs {};

struct Gather {
  static constexpr std::string_view name = "gather";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = NoAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 2}; }
  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(x[0].shape.rank() >= 1, ShapeError, "x must be [V, ...]", kv("x", x[0].shape));
    check_index_spec(x[1]);
    return {{x[0].shape.with(0, x[1].shape[0]), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    check_indices(x[1].span<int64_t>(), x[0].size(0));
    Tensor y = Tensor::empty(x[0].shape().with(0, x[1].numel()), x[0].dtype());
    const int64_t row = x[0].shape().numel_of(1, x[0].rank());
    dispatch_any(y.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < y.numel(); ++i) {
        y.data<T>()[i] = x[0].data<T>()[x[1].data<int64_t>()[i / row] * row + i % row];
      }
    });
    return {y};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs&) {
    check_indices(x[1].span<int64_t>(), x[0].size(0));
    if (y[0].numel() == 0) return;
    const int64_t row =
        x[0].shape().numel_of(1, x[0].rank()) * static_cast<int64_t>(size_of(x[0].dtype()));
    const auto* from = static_cast<const char*>(x[0].raw());
    auto* to = static_cast<char*>(y[0].raw());
    const int64_t* index = x[1].data<int64_t>();
    parallel_ranges(x[1].numel(), (1 << 16) / row, [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        std::memcpy(to + m * row, from + index[m] * row, static_cast<size_t>(row));
      }
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs&) {
    return {ops::scatter_add(g.grad_out[0], g.inputs[1], g.input_specs[0].shape[0]), Tensor()};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape x, int64_t count, bool gradients = true) {
      return Sample{id, {normal(x), integers({count}, x[0])}, attrs(Attrs{}), gradients};
    };
    Sample numbers = sample("i64_rows", {5, 2}, 9, false);
    numbers.inputs[0] = integers({5, 2}, 100);
    return {sample("table", {7, 5}, 11),
            sample("vector", {9}, 4),
            sample("images", {3, 4, 5, 2}, 5),
            sample("one_row", {1, 6}, 3),
            sample("wide", {7, 3, 8}, 5),
            sample("nothing", {4, 3}, 0),
            sample("empty_rows", {4, 0}, 3),
            sample("long", {1000, 64}, 5000, false),
            numbers};
  }
  static ErrorSamples errors() {
    const auto index = [](double value) { return as(values({1}, {value}), DType::i64); };
    return {{{"high", {normal({3, 2}), index(3)}, attrs(Attrs{})},
             "index out of range (index=3, rows=3)",
             true},
            {{"negative", {normal({3, 2}), index(-1)}, attrs(Attrs{})},
             "index out of range (index=-1, rows=3)",
             true},
            {{"dtype", {normal({3, 2}), normal({2})}, attrs(Attrs{})}, "index must be i64"},
            {{"scalar", {normal(Shape{}), integers({1}, 1)}, attrs(Attrs{})}, "[V, ...]"}};
  }
  static Samples bench_samples() {
    return {{"1000x4096", {normal({1000, 512}), integers({4096}, 1000)}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs&, const Specs& y, const Attrs&) {
    return {2 * static_cast<double>(y[0].shape.numel()) * static_cast<double>(size_of(y[0].dtype)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Gather, gather)

namespace ito::ops {

Tensor gather(const Tensor& x, const Tensor& index) {
  return call(op_gather(), {x, index}, NoAttrs{})[0];
}

}  // namespace ito::ops
