// Promises of attention beyond the error rule: the same bits in any batch and on any number of
// threads, whichever gradients are wanted, and what becomes of scores that are far from zero.
#include "kernels/attention/op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/autograd/autograd.h"
#include "engine/core/parallel.h"
#include "kernels/cast/op.h"
#include "kernels/noise/op.h"
#include "kernels/slice/op.h"

namespace ito {
namespace {

constexpr const char* kResults[] = {"y", "gq", "gk", "gv"};

Tensor random(const Shape& shape, int64_t seed) {
  const Tensor x =
      ops::noise(Tensor::from(std::vector<int64_t>{seed}, {1}), {.sample_shape = shape});
  return x.alias(shape);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

Tensor entry(const Tensor& x, int64_t b) { return ops::slice(x, 0, b, b + 1); }

/// y, gq, gk, gv of q, k, v and gy; gradients that are not wanted are null.
Tensors evaluate(const Tensors& in, const std::vector<size_t>& wanted = {0, 1, 2}) {
  Tensors x, wrt;
  for (size_t i = 0; i < 3; ++i) x.push_back(in[i].detach());
  for (const size_t i : wanted) wrt.push_back(x[i].set_requires_grad());
  const Tensor y = ops::attention(x[0], x[1], x[2], {.scale = 0.3});
  const Tensors g = grad({y}, wrt, {.seeds = {in[3]}});
  Tensors results{y.detach(), {}, {}, {}};
  for (size_t i = 0; i < wanted.size(); ++i) results[1 + wanted[i]] = g[i];
  return results;
}

class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

struct Sizes {
  int64_t queries, keys, depth;
};
constexpr Sizes kSizes[] = {{1, 37, 16}, {65, 129, 40}, {196, 196, 32}, {130, 7, 17}};

Tensors inputs(const Sizes& s, int64_t batch, DType dtype) {
  Tensors in;
  for (const int64_t rows : {s.queries, s.keys, s.keys, s.queries}) {
    const auto seed = static_cast<int64_t>(in.size());
    in.push_back(ops::cast(random({batch, rows, s.depth}, seed), dtype));
  }
  return in;
}

TEST(Attention, BitsOfASampleDependNeitherOnItsBatchNorOnThreads) {
  constexpr int64_t kBatch = 5;
  for (const Sizes& s : kSizes) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Tensors all = inputs(s, kBatch, dtype);
      Tensors last, together;
      for (const Tensor& x : all) last.push_back(entry(x, kBatch - 1));
      {
        const Threads one(1);
        together = evaluate(all);
      }
      for (const int count : {1, 2, 3, 4}) {
        const Threads threads(count);
        const Tensors alone = evaluate(last), again = evaluate(all);
        for (size_t i = 0; i < together.size(); ++i) {
          EXPECT_TRUE(same_bits(alone[i], entry(together[i], kBatch - 1)))
              << kResults[i] << " of one sample, " << count << " threads, T = " << s.queries;
          EXPECT_TRUE(same_bits(again[i], together[i]))
              << kResults[i] << ", " << count << " threads, T = " << s.queries;
        }
      }
    }
  }
}

TEST(Attention, BitsOfAGradientDoNotDependOnWhichOthersAreWanted) {
  for (const int threads : {1, 3}) {
    const Threads some(threads);
    const Tensors in = inputs({65, 70, 24}, 1, DType::f32), all = evaluate(in);
    for (const std::vector<size_t>& wanted :
         {std::vector<size_t>{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}}) {
      const Tensors some_of_them = evaluate(in, wanted);
      for (const size_t i : wanted) {
        EXPECT_TRUE(same_bits(some_of_them[1 + i], all[1 + i])) << kResults[1 + i];
      }
    }
  }
}

// With one feature the scores are q k: here the same for all keys, so y is the mean of v.
TEST(Attention, EqualScoresFarFromZeroGiveTheMean) {
  for (const int64_t keys : {1, 3, 16, 17, 100}) {
    const Tensor q = Tensor::full({1, 2, 1}, 1, DType::f32);
    const Tensor v = Tensor::empty({1, keys, 1}, DType::f32);
    for (int64_t j = 0; j < keys; ++j) v.data<float>()[j] = static_cast<float>(j);
    for (const double score : {-1000.0, 0.0, 1000.0}) {
      for (const double scale : {1.0, -1.0}) {
        const Tensor k = Tensor::full({1, keys, 1}, score, DType::f32);
        const Tensor y = ops::attention(q, k, v, {.scale = scale});
        const auto mean = static_cast<float>(keys - 1) / 2;
        EXPECT_NEAR(y.data<float>()[1], mean, 1e-6f * static_cast<float>(keys * keys))
            << keys << " keys, score " << score << ", scale " << scale;
      }
    }
  }
}

TEST(Attention, AnyNanOrInfinityAmongTheScoresOfAQueryGivesNan) {
  constexpr int64_t kKeys = 37, kDepth = 16, kQueries = 3;
  const Tensors in = inputs({kQueries, kKeys, kDepth}, 1, DType::f32);
  const Tensor plain = ops::attention(in[0], in[1], in[2]);
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const int64_t key : {int64_t{0}, int64_t{5}, kKeys - 1}) {
      // q_i0 = 0 but for i = 1: then 0 * infinity is NaN, and q_10 * infinity infinite.
      const Tensor k = in[1].clone();
      k.data<float>()[key * kDepth] = static_cast<float>(bad);
      const Tensor q = in[0].clone();
      for (int64_t i = 0; i < kQueries; ++i) q.data<float>()[i * kDepth] = i == 1 ? 2 : 0;
      const Tensor y = ops::attention(q, k, in[2]);
      for (const float value : y.span<float>()) EXPECT_TRUE(std::isnan(value)) << bad << key;
    }
    const Tensor q = in[0].clone();
    q.data<float>()[kDepth] = static_cast<float>(bad);  // the second query
    const Tensor y = ops::attention(q, in[1], in[2]);
    for (int64_t i = 0; i < kQueries * kDepth; ++i) {
      const float value = y.data<float>()[i];
      if (i / kDepth == 1) {
        EXPECT_TRUE(std::isnan(value)) << bad;
      } else {
        EXPECT_EQ(value, plain.data<float>()[i]);
      }
    }
  }
}

}  // namespace
}  // namespace ito
