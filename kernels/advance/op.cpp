#include "kernels/advance/op.h"

#include "kernels/advance/params.h"
#include "kernels/common/define_op.h"

namespace ito {
namespace {

struct Advance {
  static constexpr std::string_view name = "advance";
  static constexpr OpKind kind = OpKind::constant;
  static constexpr uint32_t mutated_inputs = 1;
  static constexpr int visible_outputs = 0;
  using Attrs = AdvanceAttrs;

  static Specs infer(const Specs& x, const Attrs&) {
    ITO_CHECK(x[0].dtype == DType::i64, DTypeError, "a counter is i64", kv("counter", x[0].dtype));
    return {};
  }
  static void add(const Tensor& counter, int64_t by) {
    for (int64_t& value : counter.span<int64_t>()) value += by;
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    const Tensor after = x[0].clone();
    add(after, a.by);
    return {after};
  }
  static void forward(Launch&, const Tensors& x, const Tensors&, const Attrs& a) {
    add(x[0], a.by);
  }

  static Samples samples() {
    return {{"one", {integers({1}, 100)}, attrs(Attrs{1}), false},
            {"back", {integers({3, 2}, 1000)}, attrs(Attrs{-7}), false},
            {"many", {integers({517}, 1'000'000)}, attrs(Attrs{int64_t{1} << 40}), false},
            {"empty", {integers({0}, 2)}, attrs(Attrs{1}), false}};
  }
  static ErrorSamples errors() {
    return {{{"dtype", {normal({1})}, attrs(Attrs{1})}, "a counter is i64"}};
  }
  static Samples bench_samples() { return {{"1", {integers({1}, 10)}, attrs(Attrs{1})}}; }
  static Cost cost(const Specs& x, const Specs&, const Attrs&) {
    const auto n = static_cast<double>(x[0].shape.numel());
    return {.bytes = 16 * n, .flops = n};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(Advance, advance)

namespace ito::ops {

void advance(const Tensor& counter, int64_t by) { call(op_advance(), {counter}, AdvanceAttrs{by}); }

}  // namespace ito::ops
