#include "kernels/segment_reduce/op.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/common/define_op.h"
#include "kernels/segment_reduce/cpu.h"
#include "kernels/segment_reduce/params.h"

namespace ito {
namespace {

using ops::SegmentKind;

void check_offsets(std::span<const int64_t> offsets, int64_t n) {
  int64_t last = 0;
  for (const int64_t offset : offsets) {
    ITO_CHECK(last <= offset && offset <= n, ValueError, "offsets must ascend within [0, N]",
              kv("offset", offset), kv("after", last), kv("N", n));
    last = offset;
  }
}

/// One segment by the definition.
template <class T>
double reduced(SegmentKind kind, std::span<const T> x) {
  double sum = 0, top = -std::numeric_limits<double>::infinity(), bottom = -top;
  int64_t place = -1;
  bool nan = false;
  for (size_t i = 0; i < x.size(); ++i) {
    const auto value = static_cast<double>(x[i]);
    const bool first_nan = std::isnan(value) && !nan;
    if (place < 0 || (!nan && value < bottom) || first_nan) place = static_cast<int64_t>(i);
    sum += value;
    top = std::max(top, value);
    bottom = std::min(bottom, value);
    nan |= std::isnan(value);
  }
  if (kind == SegmentKind::argmin) return static_cast<double>(place);
  if (nan) return std::numeric_limits<double>::quiet_NaN();
  return kind == SegmentKind::sum ? sum : kind == SegmentKind::max ? top : bottom;
}

struct SegmentReduce {
  static constexpr std::string_view name = "segment_reduce";
  static constexpr OpKind kind = OpKind::constant;
  using Attrs = SegmentReduceAttrs;

  static Specs infer(const Specs& x, const Attrs& a) {
    ITO_CHECK(x[0].shape.rank() == 1, ShapeError, "x must be [N]", kv("x", x[0].shape));
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(x[1].shape.rank() == 1 && x[1].shape[0] >= 1, ShapeError, "offsets must be [S + 1]",
              kv("offsets", x[1].shape));
    ITO_CHECK(x[1].dtype == DType::i64, DTypeError, "offsets must be i64", kv("dtype", x[1].dtype));
    const DType out = a.kind == SegmentKind::argmin ? DType::i64 : x[0].dtype;
    return {{{x[1].shape[0] - 1}, out, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    check_offsets(x[1].span<int64_t>(), x[0].numel());
    const bool places = a.kind == SegmentKind::argmin;
    const Tensor y = Tensor::empty({x[1].numel() - 1}, places ? DType::i64 : x[0].dtype());
    const int64_t* offsets = x[1].data<int64_t>();
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      for (int64_t s = 0; s < y.numel(); ++s) {
        const auto length = static_cast<size_t>(offsets[s + 1] - offsets[s]);
        const std::span<const T> segment(x[0].data<T>() + offsets[s], length);
        const double result = reduced(a.kind, segment);
        if (places) {
          y.data<int64_t>()[s] = static_cast<int64_t>(result);
        } else {
          y.data<T>()[s] = static_cast<T>(result);
        }
      }
    });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    check_offsets(x[1].span<int64_t>(), x[0].numel());
    if (y[0].numel() == 0) return;
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      segment_reduce_cpu(launch, a.kind, x[0].data<T>(), x[1].data<int64_t>(), y[0].numel(),
                         y[0].raw());
    });
  }

  static InputInit offsets(std::vector<double> list) {
    const auto count = static_cast<int64_t>(list.size());
    return as(values({count}, std::move(list)), DType::i64);
  }
  static Samples samples() {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    constexpr double kInf = std::numeric_limits<double>::infinity();
    const char* names[] = {"sum", "max", "min", "argmin"};
    Samples list;
    for (int k = 0; k < 4; ++k) {
      const auto add = [&](const char* id, InputInit x, std::vector<double> at) {
        list.push_back({std::string(names[k]) + "_" + id,
                        {std::move(x), offsets(std::move(at))},
                        attrs(Attrs{static_cast<SegmentKind>(k)})});
      };
      add("odd", normal({23}, 0.3), {0, 5, 6, 17, 23});
      add("empty_segments", normal({9}), {0, 0, 4, 4, 4, 9, 9});
      add("one", normal({1}), {0, 1});
      add("part", normal({20}), {3, 11, 16});
      add("ties", values({12}, {2, 1, 1, 2, -3, -3, 4, 4, 4, 0, 0, 0}), {0, 4, 6, 9, 12});
      add("long", normal({70001}), {0, 3, 40000, 70001});
      // NaN that is rounded to bf16 has other bits on a GPU.
      add("nan", as(values({9}, {1, kNan, 0, kNan, kInf, -kInf, 3, 2, kNan}), DType::f32),
          {0, 3, 6, 8, 9});
      add("infinite", values({6}, {kInf, kInf, -kInf, 1, kInf, -kInf}), {0, 2, 4, 4, 5, 6});
      add("nothing", normal({0}), {0, 0, 0});
      add("no_segments", normal({5}), {2});
    }
    return list;
  }
  static ErrorSamples errors() {
    const AnyAttrs sum = attrs(Attrs{});
    const InputInit x = normal({5});
    const std::string order = "offsets must ascend within [0, N]";
    return {{{"falling", {x, offsets({0, 3, 2, 5})}, sum}, order, true},
            {{"negative", {x, offsets({-1, 3})}, sum}, order, true},
            {{"beyond", {x, offsets({0, 6})}, sum}, order, true},
            {{"rank", {normal({5, 1}), offsets({0, 5})}, sum}, "x must be [N]"},
            {{"integers", {integers({5}, 3), offsets({0, 5})}, sum}, "needs a floating dtype"},
            {{"offsets_dtype", {x, normal({2})}, sum}, "offsets must be i64"},
            {{"no_offsets", {x, offsets({})}, sum}, "offsets must be [S + 1]"}};
  }
  static Samples bench_samples() {
    std::vector<double> rows;
    for (int i = 0; i <= 1024; ++i) rows.push_back(1024.0 * i);
    return {{"rows", {normal({1 << 20}), offsets(rows)}, attrs(Attrs{SegmentKind::argmin})},
            {"one", {normal({1 << 20}), offsets({0, 1 << 20})}, attrs(Attrs{SegmentKind::sum})}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs&) {
    const auto bytes = [](const Spec& s) {
      return static_cast<double>(s.shape.numel()) * static_cast<double>(size_of(s.dtype));
    };
    return {bytes(x[0]) + bytes(x[1]) + bytes(y[0]), static_cast<double>(x[0].shape.numel())};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(SegmentReduce, segment_reduce)

namespace ito::ops {

Tensor segment_reduce(const Tensor& x, const Tensor& offsets, SegmentKind kind) {
  return call(op_segment_reduce(), {x, offsets}, SegmentReduceAttrs{kind})[0];
}

}  // namespace ito::ops
