// What becomes of the gradients of a pass: their places, their sums, and parameters without one.
#include "sde/training/arena.h"

#include <gtest/gtest.h>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "models/network.h"
#include "sde/config.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

/// Two scales of the input: the first one is in every pass, the second one in passes
/// over an even number of images alone.
class TwoScales final : public nn::Network {
 public:
  Tensor forward(const Tensor& x, const Tensor&, const nn::ForwardOptions&) const override {
    const Tensor in = ops::cast(x, always_.dtype());
    const Tensor y = in * always_;
    return ops::cast(x.size(0) % 2 == 0 ? y + in * sometimes_ : y, DType::f32);
  }
  void list(nn::ParameterList& list) override {
    list.add("always", "always", always_);
    list.add("sometimes", "sometimes", sometimes_);
  }
  std::unique_ptr<nn::Network> clone() const override { return std::make_unique<TwoScales>(*this); }

 private:
  Tensor always_ = Tensor::full({3}, 0.5, DType::f32);
  Tensor sometimes_ = Tensor::full({3}, 0.25, DType::f32);
};

Tensor images(int64_t count) {
  Tensor x = Tensor::empty({count, 1, 1, 3}, DType::f32);
  fill_normal(x.span<float>(), {.seed = 9, .purpose = Purpose::data}, 0);
  return x;
}

Trainer trainer_of(const char* precision, int micro_batch) {
  constexpr double kNoClip = -1;
  return Trainer(std::make_unique<TwoScales>(), make_sde({.name = "vp"}), {},
                 {.warmup = 0, .grad_clip = kNoClip},
                 {.batch = 4, .micro_batch = micro_batch, .precision = precision}, 40);
}

/// The first moments of a parameter.
std::vector<float> moments_of(const Trainer& trainer, size_t i) {
  return trainer.arena().view(trainer.first_moment(), i).to_vector<float>();
}

enum Part : size_t { kAlways, kSometimes };

// Without a gradient the first moment shrinks by beta1, and by nothing else.
TEST(Arena, AParameterWithoutGradientHasAZero) {
  for (const char* precision : {"fp32", "bf16"}) {
    Trainer trainer = trainer_of(precision, 0);
    trainer.step(images(4));
    const std::vector<float> before = moments_of(trainer, kSometimes);
    trainer.step(images(3));
    const std::vector<float> after = moments_of(trainer, kSometimes);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NE(before[i], 0);
      EXPECT_EQ(after[i], 0.9f * before[i]) << precision;
    }
  }
}

// Four images in parts of three and one: no part reaches the second scale. Five in parts of two:
// the last part alone does not, and takes nothing from the sum.
TEST(Arena, PartsOfABatchMayReachDifferentParameters) {
  for (const char* precision : {"fp32", "bf16"}) {
    Trainer none = trainer_of(precision, 3);
    none.step(images(4));
    EXPECT_EQ(moments_of(none, kSometimes), (std::vector<float>(3, 0))) << precision;
    for (const float m : moments_of(none, kAlways)) EXPECT_NE(m, 0) << precision;

    Trainer some = trainer_of(precision, 2);
    some.step(images(5));
    for (const float m : moments_of(some, kSometimes)) EXPECT_NE(m, 0) << precision;
  }
}

TEST(Arena, CollectsInItsOwnPlaces) {
  TwoScales network;
  const Arena arena(network);
  const Tensor array = arena.allocate();
  const Tensor one = Tensor::full({3}, 1, DType::f64), two = Tensor::full({3}, 2, DType::f32);
  const auto expect = [&](float always, float sometimes) {
    EXPECT_EQ(arena.view(array, kAlways).to_vector<float>(), std::vector<float>(3, always));
    EXPECT_EQ(arena.view(array, kSometimes).to_vector<float>(), std::vector<float>(3, sometimes));
    double sum = 0;
    for (const float v : array.span<float>()) sum += v;
    EXPECT_EQ(sum, 3 * (always + sometimes)) << "a gap is not zero";
  };
  const auto collect = [&](const Tensor& always, const Tensor& sometimes, Arena::Sum sum) {
    arena.collect(kAlways, always, array, sum);
    arena.collect(kSometimes, sometimes, array, sum);
  };
  collect(one, two, Arena::Sum::begins);
  expect(1, 2);
  collect(one, {}, Arena::Sum::goes_on);
  expect(2, 2);
  collect({}, one, Arena::Sum::goes_on);
  expect(2, 3);
  collect(two, {}, Arena::Sum::begins);
  expect(2, 0);
}

}  // namespace
}  // namespace ito::sde
