#include "kernels/sort/op.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/core/parallel.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

struct NoAttrs {};

/// Place of a value in the order of floats as an unsigned number: the bits of negative ones are
/// flipped, positive ones get the top bit, -0 counts as 0, and every NaN is the largest.
template <class A>
auto key_of(A value) {
  using Bits = std::conditional_t<sizeof(A) == 8, uint64_t, uint32_t>;
  constexpr Bits kTop = Bits(1) << (8 * sizeof(Bits) - 1);
  if (std::isnan(value)) return ~Bits(0);
  const auto bits = std::bit_cast<Bits>(value + A(0));
  return (bits & kTop) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | kTop);
}

/// Keys with places are never equal, so that any sort is stable.
template <class Key>
struct Entry {
  Key key;
  int64_t place;
  bool operator<(const Entry& other) const {
    return key != other.key ? key < other.key : place < other.place;
  }
};

template <class T>
void sort_row(const T* x, int64_t n, T* values, int64_t* order) {
  using Key = decltype(key_of(Acc<T>()));
  std::vector<Entry<Key>> entries;
  entries.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) entries.push_back({key_of(static_cast<Acc<T>>(x[i])), i});
  std::sort(entries.begin(), entries.end());
  for (const Entry<Key>& entry : entries) {
    *order++ = entry.place;
    *values++ = x[entry.place];
  }
}

struct Sort {
  static constexpr std::string_view name = "sort";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr int visible_outputs = 2;
  using Attrs = NoAttrs;

  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(x[0].shape.rank() == 2, ShapeError, "x must be [R, N]", kv("x", x[0].shape));
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    return {x[0], {x[0].shape, DType::i64, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs&) {
    const Tensor values = Tensor::empty(x[0].shape(), x[0].dtype());
    const Tensor order = Tensor::empty(x[0].shape(), DType::i64);
    const int64_t n = x[0].size(1);
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      for (int64_t r = 0; r < x[0].size(0); ++r) {
        const T* row = x[0].data<T>() + r * n;
        int64_t* places = order.data<int64_t>() + r * n;
        std::iota(places, places + n, 0);
        std::stable_sort(places, places + n, [&](int64_t i, int64_t j) {
          return row[i] < row[j] || (!std::isnan(row[i]) && std::isnan(row[j]));
        });
        for (int64_t i = 0; i < n; ++i) values.data<T>()[r * n + i] = row[places[i]];
      }
    });
    return {values, order};
  }
  static void forward(Launch&, const Tensors& x, const Tensors& y, const Attrs&) {
    const int64_t n = x[0].size(1);
    if (x[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      parallel_ranges(x[0].size(0), (1 << 12) / n, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          sort_row(x[0].data<T>() + r * n, n, y[0].data<T>() + r * n, y[1].data<int64_t>() + r * n);
        }
      });
    });
  }

  static Samples samples() {
    const auto sample = [](const char* id, InputInit x) {
      return Sample{id, {std::move(x)}, attrs(Attrs{})};
    };
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    constexpr double kInf = std::numeric_limits<double>::infinity();
    std::vector<double> ties, falling;
    for (int i = 0; i < 300; ++i) ties.push_back(i * 7 % 5 - 2);
    for (int i = 0; i < 100; ++i) falling.push_back(50 - i);
    return {sample("odd", normal({5, 17})),
            sample("one", normal({1, 1})),
            sample("short_rows", normal({33, 3})),
            sample("column", normal({9, 1})),
            sample("long_row", normal({1, 5003})),
            sample("ties", values({3, 100}, ties)),
            sample("falling", values({2, 50}, falling)),
            sample("equal", values({2, 4}, {3, 3, 3, 3, -1, -1, -1, -1})),
            sample("nan", values({2, 5}, {kNan, 1, -kNan, kInf, -kInf, 2, kNan, 1, kNan, 0})),
            sample("infinite", values({1, 6}, {kInf, 0, -kInf, 5, kInf, -kInf})),
            sample("zeros", values({2, 4}, {0.0, -0.0, 0.0, -1.0, -0.0, 0.0, 1e-30, -1e-30})),
            sample("many_rows", normal({70, 64})),
            sample("no_rows", normal({0, 4})),
            sample("no_columns", normal({3, 0}))};
  }
  static ErrorSamples errors() {
    const AnyAttrs a = attrs(Attrs{});
    return {{{"rank", {normal({4})}, a}, "x must be [R, N]"},
            {{"dtype", {integers({2, 3}, 5)}, a}, "needs a floating dtype"}};
  }
  static Samples bench_samples() {
    return {{"1x1M", {normal({1, 1 << 20})}, attrs(Attrs{})},
            {"4096x256", {normal({4096, 256})}, attrs(Attrs{})}};
  }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    return {static_cast<double>(x[0].shape.numel()) *
                (2 * static_cast<double>(size_of(x[0].dtype)) + sizeof(int64_t)),
            0};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Sort, sort)

namespace ito::ops {

Sorted sort(const Tensor& x) {
  const Tensors y = call(op_sort(), {x}, NoAttrs{});
  return {y[0], y[1]};
}

}  // namespace ito::ops
