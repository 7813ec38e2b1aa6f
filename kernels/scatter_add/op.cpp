#include "kernels/scatter_add/op.h"

#include <algorithm>
#include <numeric>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"
#include "kernels/gather/index.h"
#include "kernels/gather/op.h"

namespace ito {
namespace {

struct ScatterAttrs {
  int64_t rows = 0;
};

/// The updates of every row: those of row v are order[first[v]] ... order[first[v + 1] - 1].
struct Buckets {
  int64_t *first, *order;
};

/// A counting sort, which keeps the order of equal indices.
Buckets sort_by_row(Launch& launch, std::span<const int64_t> index, int64_t rows) {
  const Buckets b{launch.scratch<int64_t>(rows + 2),
                  launch.scratch<int64_t>(static_cast<int64_t>(index.size()))};
  int64_t* next = b.first + 1;  // moves from the start of a row's bucket to the next one's start
  std::fill_n(b.first, rows + 2, 0);
  for (const int64_t v : index) ++next[v + 1];
  std::partial_sum(next, next + rows + 1, next);
  for (size_t m = 0; m < index.size(); ++m) b.order[next[index[m]]++] = static_cast<int64_t>(m);
  return b;
}

template <class T>
void add_rows(const Buckets& b, int64_t rows, int64_t row, const T* updates, T* y) {
  using A = Acc<T>;
  constexpr int64_t kTile = 256;
  const int64_t tiles = (row + kTile - 1) / kTile;
  parallel_ranges(rows * tiles, 16, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t v = task / tiles, at = task % tiles * kTile, n = std::min(kTile, row - at);
      A total[kTile] = {};
      for (int64_t j = b.first[v]; j < b.first[v + 1]; ++j) {
        const T* update = updates + b.order[j] * row + at;
        for (int64_t i = 0; i < n; ++i) total[i] += static_cast<A>(update[i]);
      }
      for (int64_t i = 0; i < n; ++i) y[v * row + at + i] = static_cast<T>(total[i]);
    }
  });
}

struct ScatterAdd {
  static constexpr std::string_view name = "scatter_add";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = ScatterAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 2}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype",
              kv("updates", x[0].dtype));
    check_index_spec(x[1]);
    ITO_CHECK(x[0].shape.rank() >= 1 && x[0].shape[0] == x[1].shape[0], ShapeError,
              "updates must be [M, ...]", kv("M", x[1].shape[0]), kv("updates", x[0].shape));
    return {{x[0].shape.with(0, a.rows), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    check_indices(x[1].span<int64_t>(), a.rows);
    const Shape shape = x[0].shape().with(0, a.rows);
    Tensor y = Tensor::empty(shape, x[0].dtype());
    const int64_t row = shape.numel_of(1, shape.rank());
    dispatch_float(y.dtype(), name, [&]<class T>() {
      std::vector<Acc<T>> total(static_cast<size_t>(shape.numel()));
      for (int64_t i = 0; i < x[0].numel(); ++i) {
        const int64_t v = x[1].data<int64_t>()[i / row];
        total[static_cast<size_t>(v * row + i % row)] += static_cast<Acc<T>>(x[0].data<T>()[i]);
      }
      for (size_t i = 0; i < total.size(); ++i) y.data<T>()[i] = static_cast<T>(total[i]);
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    const std::span<const int64_t> index = x[1].span<int64_t>();
    check_indices(index, a.rows);
    if (y[0].numel() == 0) return;
    const Buckets buckets = sort_by_row(launch, index, a.rows);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      add_rows(buckets, a.rows, y[0].numel() / a.rows, x[0].data<T>(), y[0].data<T>());
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs&) {
    return {ops::gather(g.grad_out[0], g.inputs[1]), Tensor()};
  }

  static Samples samples() {
    const auto sample = [](const char* id, Shape updates, int64_t rows, bool gradients = true) {
      return Sample{
          id, {normal(updates), integers({updates[0]}, rows)}, attrs(Attrs{rows}), gradients};
    };
    return {sample("table", {11, 5}, 7),           sample("vector", {9}, 4),
            sample("images", {5, 4, 5, 2}, 3),     sample("one_row", {6, 3}, 1),
            sample("sparse", {3, 5}, 19),          sample("wide", {5, 700}, 3),
            sample("wider", {3, 2056}, 2),         sample("many", {2500, 3}, 5, false),
            sample("nothing", {0, 3}, 4),          sample("empty_rows", {4, 0}, 3),
            sample("long", {5000, 64}, 100, false)};
  }
  static ErrorSamples errors() {
    const auto index = [](double value) { return as(values({1}, {value}), DType::i64); };
    return {
        {{"high", {normal({1, 2}), index(3)}, attrs(Attrs{3})},
         "index out of range (index=3, rows=3)",
         true},
        {{"negative", {normal({1, 2}), index(-1)}, attrs(Attrs{3})}, "index out of range", true},
        {{"count", {normal({2, 2}), index(0)}, attrs(Attrs{3})}, "updates must be [M, ...]"},
        {{"dtype", {normal({2}), normal({2})}, attrs(Attrs{3})}, "index must be i64"}};
  }
  static Samples bench_samples() {
    return {{"4096_to_1000", {normal({4096, 512}), integers({4096}, 1000)}, attrs(Attrs{1000})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel() + y[0].shape.numel()) *
                static_cast<double>(size_of(y[0].dtype)),
            static_cast<double>(x[0].shape.numel())};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(ScatterAdd, scatter_add)

namespace ito::ops {

Tensor scatter_add(const Tensor& updates, const Tensor& index, int64_t rows) {
  return call(op_scatter_add(), {updates, index}, ScatterAttrs{rows})[0];
}

}  // namespace ito::ops
