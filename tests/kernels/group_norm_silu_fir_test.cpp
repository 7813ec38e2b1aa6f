// Promises of group_norm_silu_fir beyond the error rule: the bits of the two ops it joins, of a
// sample in any batch, and gradients where only one of its outputs is used.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/autograd/autograd.h"
#include "kernels/group_norm_silu/op.h"
#include "kernels/group_norm_silu_fir/op.h"
#include "kernels/noise/op.h"

namespace ito {
namespace {

const std::vector<double> kBinomial = {1, 3, 3, 1};

Tensor random(const Shape& shape, int64_t seed) {
  return ops::noise(Tensor::from(std::vector<int64_t>{seed}, {1}), {.sample_shape = shape})
      .alias(shape);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(kCpu), y = b.to(kCpu);
  return x.shape() == y.shape() && std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

struct Case {
  Shape x;
  ops::GroupNormFirAttrs attrs;
};

/// Odd sizes, vectors and single channels, several bands on a CPU; an asymmetric filter.
std::vector<Case> cases() {
  const ops::FirAttrs up = ops::upsampling(kBinomial), down = ops::downsampling(kBinomial);
  const ops::FirAttrs skew{{3, 1, -1, 2, 1}, 3, 2, 1, 3, 0, 2, 2};
  return {{{3, 7, 5, 24}, {.groups = 6, .fir = up}},
          {{3, 9, 6, 24}, {.groups = 6, .fir = down}},
          {{3, 5, 3, 9}, {.groups = 3, .fir = up}},
          {{3, 5, 4, 8}, {.groups = 2, .fir = skew}},
          {{3, 41, 26, 64}, {.groups = 16, .fir = up}}};
}

class GroupNormSiluFir : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!is_available(GetParam())) GTEST_SKIP() << "no emulator in this build";
  }
  Tensor input(const Shape& shape, int64_t seed) const {
    return random(shape, seed).to(GetParam()).set_requires_grad();
  }
};

TEST_P(GroupNormSiluFir, HasTheBitsOfTheTwoOps) {
  for (const Case& c : cases()) {
    const Tensor x = input(c.x, 1), w = input({c.x[3]}, 2), b = input({c.x[3]}, 3);
    const auto [normal, same] = ops::group_norm_silu_fir(x, w, b, c.attrs);
    EXPECT_TRUE(same_bits(same, ops::fir_resample(x, c.attrs.fir))) << to_string(c.x);
    if (GetParam() != kCpu) continue;  // a GPU sums the statistics in another order
    const Tensor h = ops::group_norm_silu(x, w, b, {.groups = c.attrs.groups});
    EXPECT_TRUE(same_bits(normal, ops::fir_resample(h, c.attrs.fir))) << to_string(c.x);
  }
}

TEST_P(GroupNormSiluFir, GivesASampleTheSameBitsInAnyBatch) {
  for (const Case& c : cases()) {
    const Shape one{1, c.x[1], c.x[2], c.x[3]};
    const Tensor whole = random(c.x, 1), w = input({c.x[3]}, 2);
    const Tensor last = Tensor::empty(one, DType::f32);
    std::memcpy(last.raw(), whole.data<float>() + 2 * one.numel(), last.bytes());
    const auto run = [&](const Tensor& t) -> Tensors {
      const Tensor x = t.to(GetParam()).set_requires_grad();
      const auto [normal, same] = ops::group_norm_silu_fir(x, w, w, c.attrs);
      const Tensors seeds = {normal.detach(), same.detach()};
      return {seeds[0], seeds[1], grad({normal, same}, {x}, {.seeds = seeds})[0]};
    };
    const Tensors in_batch = run(whole), alone = run(last);
    for (size_t i = 0; i < 3; ++i) {
      const Tensor all = in_batch[i].to(kCpu), single = alone[i].to(kCpu);
      const char* at = static_cast<const char*>(all.raw()) + 2 * single.bytes();
      EXPECT_EQ(std::memcmp(at, single.raw(), single.bytes()), 0) << to_string(c.x) << " " << i;
    }
  }
}

TEST_P(GroupNormSiluFir, TakesAGradientOfOneOutput) {
  for (const Case& c : cases()) {
    const Tensor x = input(c.x, 1), w = input({c.x[3]}, 2), b = input({c.x[3]}, 3);
    const Tensor plain = ops::fir_resample(x, c.attrs.fir);
    const Tensor seed = random(plain.shape(), 4).to(GetParam());
    const auto [normal, same] = ops::group_norm_silu_fir(x, w, b, c.attrs);
    const Tensors gx = grad({same}, {x}, {.seeds = {seed}, .keep_graph = true});
    EXPECT_TRUE(same_bits(gx[0], grad({plain}, {x}, {.seeds = {seed}})[0])) << to_string(c.x);

    const Tensor h = ops::group_norm_silu(x, w, b, {.groups = c.attrs.groups});
    const Tensor filtered = ops::fir_resample(h, c.attrs.fir);
    const Tensors got = grad({normal}, {x, w, b}, {.seeds = {seed}});
    const Tensors expected = grad({filtered}, {x, w, b}, {.seeds = {seed}});
    for (size_t i = 0; i < 3; ++i) {
      const Tensor a = got[i].to(kCpu), e = expected[i].to(kCpu);
      double error = 0, scale = 0;
      for (int64_t k = 0; k < a.numel(); ++k) {
        const double value = e.data<float>()[k];
        error = std::max(error, std::abs(a.data<float>()[k] - value));
        scale = std::max(scale, std::abs(value));
      }
      // Statistics in another order: a few roundings of f32.
      EXPECT_LE(error, 1e-5 * scale) << to_string(c.x) << " gradient " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, GroupNormSiluFir, ::testing::Values(kCpu, kEmulated),
                         [](const auto& p) { return p.param == kCpu ? "cpu" : "emulated"; });

}  // namespace
}  // namespace ito
