// Training in bf16: what is rounded, what is not, and that it learns.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reduce/op.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

std::unique_ptr<nn::Network> mlp() {
  return nn::make_network({.name = "mlp", .nf = 32, .dropout = 0, .init_scale = 1},
                          {.image_size = 1, .channels = 2}, 3);
}
std::unique_ptr<nn::Network> unet() {
  const nn::ModelConfig model{.name = "ncsnpp",
                              .nf = 8,
                              .ch_mult = {1, 2},
                              .num_res_blocks = 1,
                              .attn_resolutions = {4},
                              .dropout = 0,
                              .fir = true,
                              .embedding_type = "positional",
                              .init_scale = 1};
  return nn::make_network(model, {.image_size = 8, .channels = 3, .centered = true}, 3);
}
Trainer trainer_of(std::unique_ptr<nn::Network> network, const char* precision, int micro = 0) {
  TrainConfig train{.batch = 16, .micro_batch = micro};
  train.precision = precision;
  return Trainer(std::move(network), make_sde({.name = "vp"}), {.reduce_mean = true},
                 {.lr = 2e-3, .warmup = 20, .ema_rate = 0.99}, train, 40);
}
Tensor noise_like(const Shape& shape, uint32_t step) {
  Tensor x = Tensor::empty(shape, DType::f32);
  fill_normal(x.span<float>(), {9, Purpose::data, step}, 0);
  return x;
}
/// Points on two lines, so that there is something to learn.
Tensor points(uint32_t step) {
  Tensor x = noise_like({16, 1, 1, 2}, step);
  for (int64_t n = 0; n < 16; ++n) x.data<float>()[2 * n + 1] = n % 2 == 0 ? 1.0f : -1.0f;
  return x;
}

TEST(Bf16Copy, RoundsWeights) {
  const auto network = mlp();
  const Arena arena(*network);
  const Tensor weights = arena.allocate();
  arena.bind(*network, weights);
  Bf16Copy copy(*network);
  for (float& w : weights.span<float>()) w *= 1.7f;
  copy.load(weights);
  // Every parameter of the copy is the rounded one of the network, in its own place.
  const auto ours = nn::parameters_of(*network), theirs = nn::parameters_of(copy.network());
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    const Tensor wanted = ops::cast(*ours[i].value, DType::bf16);
    EXPECT_EQ(ops::cast(wanted, DType::f32).to_vector<float>(),
              ops::cast(theirs[i].value->detach(), DType::f32).to_vector<float>())
        << ours[i].name;
  }
}

// 256 and 1 are exact in bf16, their sum is not: it would be 256.
TEST(Bf16Copy, GradientsOfSeveralPassesAreSummedInF32) {
  const auto network = mlp();
  const Arena arena(*network);
  const Tensor gradients = arena.allocate();
  gradients.fill(-7);
  const Bf16Copy copy(*network);
  const Tensors leaves = Arena::track(copy.network());
  const auto pass = [&](int64_t images, Arena::Sum sum) {
    const Tensor x = Tensor::full({images, 1, 1, 2}, 0.5, DType::f32);
    const Tensor y = copy.network().forward(x, Tensor::full({images}, 1, DType::f32));
    const Tensors found = grad(ops::sum(y), leaves);
    for (size_t i = 0; i < found.size(); ++i) arena.collect(i, found[i], gradients, sum);
  };
  const size_t last = arena.count() - 1;  // added to every output
  ASSERT_EQ(leaves.size(), arena.count());
  ASSERT_EQ(arena.name(last), "output.bias");
  ASSERT_EQ(leaves[last].dtype(), DType::bf16);
  const auto sum = [&] { return arena.view(gradients, last).to_vector<float>(); };
  pass(256, Arena::Sum::begins);
  EXPECT_EQ(sum(), (std::vector<float>{256, 256}));
  for (int i = 0; i < 3; ++i) pass(1, Arena::Sum::goes_on);
  EXPECT_EQ(sum(), (std::vector<float>{259, 259}));
  pass(2, Arena::Sum::begins);
  EXPECT_EQ(sum(), (std::vector<float>{2, 2}));
}

// Eight bits of significand are 0.4 % per rounding; the errors of some ten layers add up like
// noise.
TEST(MixedPrecision, GradientsAreThoseOfF32UpToRounding) {
  Trainer exact = trainer_of(unet(), "fp32"), rounded = trainer_of(unet(), "bf16");
  const Tensor x = noise_like({16, 8, 8, 3}, 1);
  const StepReport a = exact.step(x), b = rounded.step(x);
  EXPECT_NEAR(b.loss / a.loss, 1, 0.02);
  EXPECT_NEAR(b.grad_norm / a.grad_norm, 1, 0.05);
  EXPECT_NE(b.loss, a.loss);
  // The first moments are (1 - beta1) times the gradients.
  double difference = 0, size = 0;
  const auto ga = exact.first_moment().span<float>(), gb = rounded.first_moment().span<float>();
  for (size_t i = 0; i < ga.size(); ++i) {
    difference += std::pow(ga[i] - gb[i], 2);
    size += std::pow(ga[i], 2);
  }
  EXPECT_LT(std::sqrt(difference / size), 0.1);
  EXPECT_EQ(exact.first_moment().dtype(), rounded.first_moment().dtype());
}

TEST(MixedPrecision, SmallUpdatesAreNotLost) {
  // An update of 1e-5 of a weight vanishes in bf16, not in the f32 weights.
  Trainer trainer = trainer_of(mlp(), "bf16");
  const auto parameters = nn::parameters_of(trainer.network());
  const std::vector<float> before = parameters[0].value->to_vector<float>();
  for (uint32_t step = 0; step < 2; ++step) trainer.step(points(step));
  const std::vector<float> after = parameters[0].value->to_vector<float>();
  int moved = 0;
  for (size_t i = 0; i < before.size(); ++i) moved += before[i] != after[i] ? 1 : 0;
  EXPECT_GT(moved, static_cast<int>(before.size()) / 2);
  EXPECT_EQ(parameters[0].value->dtype(), DType::f32);
}

TEST(MixedPrecision, LearnsAsF32Does) {
  Trainer exact = trainer_of(mlp(), "fp32"), rounded = trainer_of(mlp(), "bf16", 5);
  for (uint32_t step = 0; step < 400; ++step) {
    if (step == 300) exact.loss_window() = rounded.loss_window() = {};
    exact.step(points(step));
    rounded.step(points(step));
  }
  // Same data, times and noise: the curves lie on one another up to rounding.
  const double untrained = 1;  // of a network that says nothing, per dimension
  EXPECT_LT(exact.loss_window().mean(), 0.7 * untrained);
  EXPECT_NEAR(rounded.loss_window().mean() / exact.loss_window().mean(), 1, 0.03);
}

TEST(MixedPrecision, RefusesDerivatives) {
  TrainConfig train{.batch = 4};
  train.precision = "bf16";
  EXPECT_THROW(Trainer(mlp(), make_sde({.name = "vp"}), {.kind = "ssm"}, {}, train, 40), UserError);
  train.precision = "fp16";
  EXPECT_THROW(train.validate(), UserError);
}

}  // namespace
}  // namespace ito::sde
