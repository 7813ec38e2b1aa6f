// Promises of fused ops beyond the error rule: the bits of their parts, of the CPU, and of a sample
// in any batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/autograd/autograd.h"
#include "kernels/adam_ema_step/op.h"
#include "kernels/common/op_table.h"
#include "kernels/dropout/op.h"
#include "kernels/group_norm_silu/op.h"
#include "kernels/noise/op.h"

namespace ito {
namespace {

Tensor indices(const std::vector<int64_t>& list) {
  return Tensor::from(list, {static_cast<int64_t>(list.size())});
}

Tensor random(const Shape& shape, uint64_t seed) {
  return ops::noise(indices({static_cast<int64_t>(seed)}), {.sample_shape = shape}).alias(shape);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(kCpu), y = b.to(kCpu);
  return x.shape() == y.shape() && std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

struct NormCase {
  Shape x;
  int groups;
};

/// The last is too wide for a GPU block to hold a group of it.
const NormCase kNormCases[] = {{{3, 7, 7, 24}, 6}, {{3, 5, 3, 9}, 3}, {{3, 33, 5, 72}, 1}};

class FusedOps : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!is_available(GetParam())) GTEST_SKIP() << "no emulator in this build";
  }
};

TEST_P(FusedOps, DropoutAfterGroupNormHasTheBitsOfTheTwoOps) {
  const Tensor samples = indices({5, 9, 1000}).to(GetParam());
  const ops::DropoutAttrs drop{0.3, {.seed = 7, .purpose = Purpose::dropout, .step = 3}};
  for (const NormCase& c : kNormCases) {
    const Shape channels{c.x[3]}, shift{3, c.x[3]};
    const Tensor seed = random(c.x, 5).to(GetParam());
    Tensors results[2];
    for (Tensors& result : results) {
      Tensors in;
      for (const Shape& shape : {c.x, channels, channels, shift}) {
        in.push_back(random(shape, 1 + in.size()).to(GetParam()));
        in.back().set_requires_grad();
      }
      const bool fused = &result == &results[0];
      ops::GroupNormAttrs attrs{.groups = c.groups};
      if (fused) attrs.dropout = drop;
      Tensor y = ops::group_norm_silu(in[0], in[1], in[2], in[3], samples, attrs);
      if (!fused) y = ops::dropout(y, samples, drop);
      result = grad({y}, in, {.seeds = {seed}});
      result.push_back(y.detach());
    }
    for (size_t i = 0; i < results[0].size(); ++i) {
      EXPECT_TRUE(same_bits(results[0][i], results[1][i])) << to_string(c.x) << " result " << i;
    }
  }
}

TEST_P(FusedOps, GroupNormOfASampleDoesNotDependOnItsBatch) {
  for (const NormCase& c : kNormCases) {
    const Shape one{1, c.x[1], c.x[2], c.x[3]};
    const Tensor x = random(c.x, 1), w = random({c.x[3]}, 2).to(GetParam());
    const auto norm = [&](const Tensor& t) {
      return ops::group_norm_silu(t.to(GetParam()), w, w, {.groups = c.groups}).to(kCpu);
    };
    const auto last = [&](const Tensor& t) {
      const Tensor sample = Tensor::empty(one, DType::f32);
      std::memcpy(sample.raw(), t.data<float>() + 2 * one.numel(), sample.bytes());
      return sample;
    };
    EXPECT_TRUE(same_bits(norm(last(x)), last(norm(x)))) << to_string(c.x);
  }
}

TEST_P(FusedOps, AdamLeavesTheArenasOfTheCpu) {
  for (const int64_t n : {1, 7, 8193, 40003}) {
    Tensors arenas[2];
    Tensor norms[2];
    for (int k = 0; k < 2; ++k) {
      for (uint64_t i = 0; i < 5; ++i) {
        Tensor arena = random({n}, i);
        for (float& v : arena.span<float>()) v = i == 3 ? v * v : v;  // the second moments
        arenas[k].push_back(arena.to(k == 0 ? kCpu : GetParam()));
      }
      const Tensors& a = arenas[k];
      for (const double clip : {1.0, -1.0, 2.0}) {
        const ops::AdamEmaAttrs attrs{.weight_decay = 0.01, .grad_clip = clip, .step = 3};
        norms[k] = ops::adam_ema_step(a[0], a[1], a[2], a[3], a[4], attrs);
      }
    }
    EXPECT_TRUE(same_bits(norms[0], norms[1])) << n;
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(same_bits(arenas[0][i], arenas[1][i])) << n << " arena " << i;
    }
  }
}

TEST_P(FusedOps, AdamRefusesGradientsThatAreNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t n : {1, 7, 8193, 40003}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
      for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
        for (const double clip : {1.0, -1.0}) {
          Tensors before, a;
          for (uint64_t i = 0; i < 5; ++i) {
            before.push_back(random({n}, i));
            if (i == 1) before.back().data<float>()[at] = bad;
            a.push_back(before.back().clone().to(GetParam()));
          }
          const Tensor norm = ops::adam_ema_step(a[0], a[1], a[2], a[3], a[4],
                                                 {.weight_decay = 0.01, .grad_clip = clip});
          EXPECT_FALSE(std::isfinite(norm.item())) << n << " " << at;
          for (size_t i = 0; i < 5; ++i) {
            EXPECT_TRUE(same_bits(before[i], a[i])) << n << " " << at << " arena " << i;
          }
        }
      }
    }
  }
}

TEST_P(FusedOps, AdamTakesTheLargestGradients) {
  // Their squares are far beyond float; the norm is not.
  Tensors a;
  for (uint64_t i = 0; i < 5; ++i) a.push_back(Tensor::zeros({9}, DType::f32));
  for (float& g : a[1].span<float>()) g = 3e38f;
  for (Tensor& t : a) t = t.to(GetParam());
  EXPECT_NEAR(ops::adam_ema_step(a[0], a[1], a[2], a[3], a[4], {}).item(), 9e38, 1e33);
  // A first step of Adam has the length of the rate, whatever the gradient.
  for (const float p : a[0].to(kCpu).span<float>()) EXPECT_NEAR(p, -2e-4, 1e-8);
}

TEST(AdamEmaStep, TheReferenceRefusesToo) {
  const auto op = std::ranges::find(op_table(), std::string_view("adam_ema_step"), &OpInfo::name);
  ASSERT_NE(op, op_table().end());
  for (const double bad : {std::nan(""), HUGE_VAL, 1e200}) {  // the last has an infinite norm
    Tensors x;
    for (int i = 0; i < 5; ++i) {
      x.push_back(Tensor::zeros({9}, DType::f64));
      for (double& v : x.back().span<double>()) v = i + 1;
    }
    x[1].data<double>()[8] = bad;
    const ops::AdamEmaAttrs attrs;
    const Tensors y = (*op)->reference(x, &attrs);
    for (const size_t i : {0, 2, 3, 4}) {
      EXPECT_TRUE(same_bits(y[i == 0 ? 0 : i - 1], x[i])) << bad << " " << i;
    }
    EXPECT_FALSE(std::isfinite(y[4].item()));
    ops::adam_ema_step(x[0], x[1], x[2], x[3], x[4], attrs);
    for (const size_t i : {0, 2, 3, 4})
      EXPECT_EQ(x[i].data<double>()[0], static_cast<double>(i + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, FusedOps, ::testing::Values(kCpu, kEmulated),
                         [](const auto& p) { return p.param == kCpu ? "cpu" : "emulated"; });

}  // namespace
}  // namespace ito
