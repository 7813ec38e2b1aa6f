#include "engine/autograd/autograd.h"

#include <gtest/gtest.h>

#include "engine/autograd/call.h"
#include "engine/core/allocator.h"
#include "kernels/binary/op.h"
#include "kernels/group_norm_silu/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"

namespace ito {
namespace {

Tensor leaf(std::vector<double> values) {
  const auto n = static_cast<int64_t>(values.size());
  Tensor t = Tensor::from(values, {n});
  t.set_requires_grad();
  return t;
}

TEST(Grad, ProductAndChainRule) {
  const Tensor x = leaf({2, 3});
  const Tensor y = ops::sum(x * x * x);
  EXPECT_EQ(grad(y, {x})[0].to_vector<double>(), (std::vector<double>{12, 27}));
}

TEST(Grad, HigherDerivativesOfAPower) {
  const Tensor x = leaf({2});
  Tensor y = ops::sum(ops::square(ops::square(x)));  // x^4
  const double expected[] = {32, 48, 48, 24};
  for (const double value : expected) {
    const Tensor g = grad(y, {x}, {.create_graph = true})[0];
    EXPECT_NEAR(g.item(), value, 1e-12);
    y = ops::sum(g);
  }
}

TEST(Grad, AnInputUsedTwiceAndADiamond) {
  const Tensor x = leaf({3});
  const Tensor a = 2.0 * x, b = a * a, c = a + b;
  EXPECT_EQ(grad(ops::sum(c), {x})[0].item(), 2 + 2 * 2 * 6);
}

TEST(Grad, StopsAtAnIntermediateAndReachesTheLeaf) {
  const Tensor x = leaf({3});
  const Tensor a = x * x, y = ops::sum(a * a);
  const Tensors g = grad(y, {a, x});
  EXPECT_EQ(g[0].item(), 18);
  EXPECT_EQ(g[1].item(), 108);
}

// An input of a fused op that was computed from another of its inputs: the composition that is
// differentiated for create_graph must not run on into that history.
TEST(Grad, FusedOpWithDependentInputsUnderCreateGraph) {
  const Tensor x = Tensor::from(std::vector<double>{1, -2, 0.5, 3, 1, 2, -1, 0.25}, {2, 2, 2});
  Tensor w = leaf({1.5, 0.5});
  const auto once = [&](bool graph) {
    const Tensor y = ops::group_norm_silu(x, w, w * 2.0, {.groups = 1});
    return grad(ops::sum(ops::square(y)), {w}, {.create_graph = graph})[0].to_vector<double>();
  };
  const auto plain = once(false), graph = once(true);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(plain[i], graph[i], 1e-12);
}

TEST(Grad, BroadcastOperandsGetSummedGradients) {
  const Tensor x = leaf({1, 2, 3});
  Tensor s = Tensor::full(Shape{}, 2, DType::f64);
  s.set_requires_grad();
  const Tensors g = grad(ops::sum(x * s), {x, s});
  EXPECT_EQ(g[0].to_vector<double>(), (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(g[1].item(), 6);
}

// Every index once: leaves that are used twice or asked for twice, unreached ones as undefined, and
// what is no leaf.
TEST(Grad, HandsOverEachGradientOnce) {
  const Tensor x = leaf({2, 3}), twice = leaf({4, 5}), unused = leaf({1});
  const Tensor hidden = x * twice;
  const Tensor y = ops::sum(ops::square(hidden) * twice);
  const Tensors wrt{twice, unused, x, hidden, x};
  const Tensors plain = grad(y, wrt, {.keep_graph = true, .allow_unused = true});
  std::vector<int> times(wrt.size());
  const auto take = [&](size_t i, const Tensor& gradient) {
    ++times[i];
    ASSERT_EQ(static_cast<bool>(gradient), i != 1) << i;
    if (i == 1) return;
    EXPECT_EQ(gradient.to_vector<double>(), plain[i].to_vector<double>()) << i;
  };
  EXPECT_TRUE(grad(y, wrt, {.take = take}).empty());
  EXPECT_EQ(times, std::vector<int>(wrt.size(), 1));
}

TEST(Grad, GradientsThatAreTakenAreFreedAtOnce) {
  constexpr int64_t kSize = 1 << 16, kBytes = kSize * 8;
  Tensors factors;
  for (int i = 0; i < 8; ++i) {
    factors.push_back(Tensor::full({kSize}, 1.5, DType::f64).set_requires_grad());
  }
  Tensor y = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) y = y * factors[i];
  y = ops::sum(y);
  Allocator& allocator = allocator_of(kCpu);
  const auto peak_of = [&](const GradOptions& options) {
    const int64_t before = allocator.stats().live_bytes;
    allocator.reset_peak();
    grad(y, factors, options);
    return allocator.stats().peak_bytes - before;
  };
  std::vector<size_t> order;
  const auto take = [&](size_t i, const Tensor&) { order.push_back(i); };
  EXPECT_GE(peak_of({.keep_graph = true}), 8 * kBytes);
  // Of a product: the gradient of the result and those of both factors.
  EXPECT_LT(peak_of({.keep_graph = true, .take = take}), 4 * kBytes);
  EXPECT_EQ(order.front(), 7u);
  EXPECT_EQ(order.size(), 8u);
}

TEST(Backward, AccumulatesIntoLeavesInPlace) {
  const Tensor x = leaf({1, 2});
  const Tensor place = Tensor::zeros({2}, DType::f64);
  x.set_grad(place);
  backward(ops::sum(x * x));
  backward(ops::sum(3.0 * x));
  EXPECT_EQ(place.to_vector<double>(), (std::vector<double>{5, 7}));
}

TEST(Backward, LeavesDoNotShareAGradient) {
  const Tensor a = leaf({1}), b = leaf({2});
  backward(ops::sum(a + b));
  backward(ops::sum(a));
  EXPECT_EQ(a.grad().item(), 2);
  EXPECT_EQ(b.grad().item(), 1);
}

TEST(Tape, NothingIsRecordedInANoGradScope) {
  const Tensor x = leaf({1});
  const NoGradScope off;
  EXPECT_FALSE((x * x).requires_grad());
  const GradScope on;
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(Tape, ASavedTensorModifiedInPlaceIsAnError) {
  const Tensor x = leaf({1, 2});
  const Tensor y = ops::sum(ops::sin(x));
  x.copy_from(Tensor::zeros({2}, DType::f64));
  EXPECT_THROW(grad(y, {x}), AutogradError);
}

TEST(Tape, AReleasedGraphIsAnError) {
  const Tensor x = leaf({1, 2});
  const Tensor y = ops::sum(x * x);
  grad(y, {x});
  EXPECT_THROW(grad(y, {x}), AutogradError);
  const Tensor z = ops::sum(x * x);
  grad(z, {x}, {.keep_graph = true});
  EXPECT_NO_THROW(grad(z, {x}));
}

TEST(Tape, MisuseIsNamed) {
  const Tensor x = leaf({1, 2}), other = leaf({1});
  const Tensor constant = Tensor::zeros({2}, DType::f64);
  EXPECT_THROW(grad(x * x, {x}), AutogradError);               // several elements, no seed
  EXPECT_THROW(grad(ops::sum(constant), {x}), AutogradError);  // not on the tape
  EXPECT_THROW(grad(ops::sum(x), {constant}), AutogradError);  // asks off the tape
  EXPECT_THROW(grad(ops::sum(x), {other}), AutogradError);     // no path
  EXPECT_FALSE(grad(ops::sum(x), {other}, {.allow_unused = true})[0]);
  EXPECT_THROW(grad(x * x, {x}, {.seeds = {Tensor::zeros({3}, DType::f64)}}), ShapeError);
}

TEST(Tape, ErrorsNameOpRuleAndInputs) {
  try {
    const Tensor a = Tensor::zeros({2, 3}, DType::f32), b = Tensor::zeros({4}, DType::f32);
    ops::add(a, b);
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_STREQ(
        e.what(),
        "binary: shapes do not broadcast (a=[2,3], b=[4]); inputs: f32 cpu [2,3], f32 cpu [4]");
  }
}

TEST(Tape, GraphsOfAnyLengthAreReleasedIteratively) {
  Tensor y = leaf({1});
  const Tensor x = y;
  for (int i = 0; i < 300000; ++i) y = ops::linear_map(y, 1, 0);
  EXPECT_EQ(grad(ops::sum(y), {x}, {.keep_graph = true})[0].item(), 1);
  y = Tensor();  // releases 300000 nodes; recursion would overflow the stack
}

TEST(Tape, BackwardFreesWhatItSaved) {
  const int64_t before = allocator_of(kCpu).stats().live_bytes;
  {
    const Tensor x = leaf(std::vector<double>(1000, 1.0));
    const Tensor y = ops::sum(ops::exp(ops::sin(x)));
    backward(y);
  }
  EXPECT_EQ(allocator_of(kCpu).stats().live_bytes, before);
}

}  // namespace
}  // namespace ito
