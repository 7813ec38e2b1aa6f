// What a training does where a number is not finite: the tensor that is named, and what stays as it
// was.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/unary/op.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/training/checkpoint.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

namespace fs = std::filesystem;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::unique_ptr<nn::Network> mlp() {
  return nn::make_network(
      {.name = "mlp", .nf = 8, .num_res_blocks = 1, .dropout = 0, .init_scale = 1},
      {.image_size = 1, .channels = 2}, 3);
}

Trainer trainer_of(std::unique_ptr<nn::Network> network, const char* on_nonfinite,
                   int micro_batch = 0) {
  TrainConfig train{.batch = 8, .micro_batch = micro_batch};
  train.on_nonfinite = on_nonfinite;
  return Trainer(std::move(network), make_sde({.name = "vp"}), {}, {.lr = 1e-2, .warmup = 10},
                 train, 40);
}

/// Batch of a step.
Tensor points(int64_t step, float scale = 1) {
  Tensor x = Tensor::empty({8, 1, 1, 2}, DType::f32);
  fill_normal(x.span<float>(), {9, Purpose::data, static_cast<uint32_t>(step)}, 0);
  for (float& v : x.span<float>()) v *= scale;
  return x;
}
Tensor bad_points(int64_t step) {
  Tensor x = points(step);
  x.data<float>()[7] = kNan;
  return x;
}

std::vector<uint8_t> bytes_of(const Tensor& x) {
  std::vector<uint8_t> bytes(x.bytes());
  std::memcpy(bytes.data(), x.raw(), x.bytes());
  return bytes;
}

/// Weights, averages and moments, bit for bit.
std::vector<std::vector<uint8_t>> state_of(Trainer& trainer) {
  std::vector<std::vector<uint8_t>> all{bytes_of(trainer.first_moment()),
                                        bytes_of(trainer.second_moment())};
  for (nn::Network* network : {&trainer.network(), &trainer.ema_network()}) {
    for (const nn::Parameter& p : nn::parameters_of(*network)) all.push_back(bytes_of(*p.value));
  }
  return all;
}

/// What `action` names as not finite.
std::string culprit_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const NonfiniteError& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_finite);
    return e.tensor();
  }
  return "nothing";
}

TEST(Nonfinite, ASkippedStepLeavesEverythingAsItWas) {
  for (const int micro_batch : {0, 3}) {
    Trainer trainer = trainer_of(mlp(), "skip", micro_batch);
    for (int64_t i = 0; i < 3; ++i) EXPECT_TRUE(trainer.step(points(i)).nonfinite.empty());
    const auto before = state_of(trainer);
    const LossWindow window = trainer.loss_window();
    const StepReport report = trainer.step(bad_points(3));
    EXPECT_EQ(report.nonfinite, "the loss");
    EXPECT_EQ(state_of(trainer), before);
    EXPECT_EQ(trainer.progress().steps, 4);
    EXPECT_EQ(trainer.progress().skipped, 1);
    EXPECT_EQ(trainer.progress().updates(), 3);
    EXPECT_EQ(trainer.loss_window().sum, window.sum);
    EXPECT_EQ(trainer.loss_window().count, 3);
    EXPECT_EQ(trainer.loss_window().skipped, 1);

    // The step after is that of a training which never saw the bad one: rate, bias correction and
    // average go by updates. Draws go by steps, so both get the same ones.
    const RecordedDraws draws{.t = std::vector<double>(8, 0.5), .z = points(77)};
    Trainer other = trainer_of(mlp(), "stop", micro_batch);
    for (int64_t i = 0; i < 3; ++i) other.step(points(i));
    EXPECT_EQ(trainer.step(points(4), draws).lr, 1e-2 * 3 / 10);
    other.step(points(4), draws);
    EXPECT_EQ(other.steps_done(), 4);
    EXPECT_EQ(state_of(trainer), state_of(other));
    EXPECT_NE(state_of(trainer), before);
    EXPECT_EQ(trainer.progress().skipped_in_a_row, 0);
  }
}

TEST(Nonfinite, StopAndRollbackThrowBeforeAnythingChanges) {
  for (const char* policy : {"stop", "rollback"}) {
    Trainer trainer = trainer_of(mlp(), policy);
    trainer.step(points(0));
    const auto before = state_of(trainer);
    try {
      trainer.step(bad_points(1));
      ADD_FAILURE() << policy;
    } catch (const NonfiniteError& e) {
      EXPECT_EQ(e.tensor(), "the loss");
      EXPECT_EQ(e.step(), 1);
      EXPECT_EQ(e.fact(), "the loss is not finite at step 1");
    }
    EXPECT_EQ(state_of(trainer), before);
    EXPECT_EQ(trainer.steps_done(), 1);
    EXPECT_TRUE(trainer.step(points(1)).nonfinite.empty());
  }
}

TEST(Nonfinite, MoreThanAHundredSkippedInARowAreAnError) {
  Trainer trainer = trainer_of(mlp(), "skip");
  for (int64_t i = 0; i < 60; ++i) trainer.step(bad_points(i));
  trainer.step(points(60));
  for (int64_t i = 61; i < 161; ++i) EXPECT_EQ(trainer.step(bad_points(i)).nonfinite, "the loss");
  EXPECT_EQ(trainer.progress().skipped, 160);
  EXPECT_EQ(culprit_of([&] { trainer.step(bad_points(161)); }), "the loss");
  EXPECT_EQ(trainer.steps_done(), 161);
}

/// scale * (weight * x) + offset: with weight = 0 the output is finite for any scale, its gradient
/// is not.
class Steep final : public nn::Network {
 public:
  explicit Steep(double scale, DType dtype = DType::f32)
      : scale_(scale), offset_(Tensor::zeros({2}, dtype)), weight_(Tensor::zeros({2}, dtype)) {}
  Tensor forward(const Tensor& x, const Tensor&, const nn::ForwardOptions&) const override {
    return (x * weight_) * scale_ + offset_;
  }
  void list(nn::ParameterList& list) override {
    list.add("offset", "offset", offset_);
    list.add("weight", "weight", weight_);
  }
  std::unique_ptr<nn::Network> clone() const override { return std::make_unique<Steep>(*this); }

 private:
  double scale_;
  Tensor offset_, weight_;
};

TEST(Nonfinite, TheFirstTensorInTheOrderOfTheNetworkIsNamed) {
  // The loss is fine, and so is the gradient of the first parameter.
  Trainer steep = trainer_of(std::make_unique<Steep>(1e38), "stop");
  EXPECT_EQ(culprit_of([&] { steep.step(points(0, 1e4f)); }), "the gradient of weight");
  // The update has refused it: nothing has changed.
  Trainer skipping = trainer_of(std::make_unique<Steep>(1e38), "skip");
  const auto before = state_of(skipping);
  EXPECT_EQ(skipping.step(points(0, 1e4f)).nonfinite, "the gradient of weight");
  EXPECT_EQ(state_of(skipping), before);
  EXPECT_EQ(skipping.progress().updates(), 0);
  Trainer gentle = trainer_of(std::make_unique<Steep>(1), "stop");
  EXPECT_EQ(culprit_of([&] { gentle.step(points(0)); }), "nothing");

  // With a parameter that is not finite, the loss only follows.
  Trainer trainer = trainer_of(mlp(), "stop");
  trainer.step(points(0));
  EXPECT_EQ(trainer.nonfinite_state(), "");
  const auto parameters = nn::parameters_of(trainer.network());
  for (const size_t i : {parameters.size() - 1, size_t{2}}) {
    Tensor& value = *parameters[i].value;
    value.data<float>()[value.numel() - 1] = -std::numeric_limits<float>::infinity();
    EXPECT_EQ(culprit_of([&] { trainer.step(points(1)); }), "parameter " + parameters[i].name);
    EXPECT_EQ(trainer.nonfinite_state(), "parameter " + parameters[i].name);
  }
}

TEST(Nonfinite, TheNormOfFiniteNumbersMayBeTooLargeInDouble) {
  Trainer trainer = trainer_of(std::make_unique<Steep>(1e200, DType::f64), "skip");
  const auto before = state_of(trainer);
  EXPECT_EQ(trainer.step(ops::cast(points(0), DType::f64)).nonfinite, "the norm of the gradients");
  EXPECT_EQ(state_of(trainer), before);
}

TEST(Nonfinite, LargeNumbersAreFinite) {
  // Their sum is not, in float; each of them is.
  Trainer trainer = trainer_of(mlp(), "stop");
  for (float& v : nn::parameters_of(trainer.network())[0].value->span<float>()) v = 3e38f;
  EXPECT_EQ(trainer.nonfinite_state(), "");
}

TEST(Nonfinite, AStateThatIsNotFiniteIsNeverSaved) {
  const fs::path folder =
      fs::temp_directory_path() / ("ito_nonfinite_" + std::to_string(::getpid()));
  fs::remove_all(folder);
  Trainer trainer = trainer_of(mlp(), "skip");
  trainer.step(points(0));
  save_checkpoint(folder, trainer, {}, 3);
  trainer.step(points(1));
  trainer.second_moment().data<float>()[0] = std::numeric_limits<float>::infinity();
  const std::string name = trainer.arena().name(0);
  EXPECT_EQ(culprit_of([&] { save_checkpoint(folder, trainer, {}, 3); }),
            "the second moment of " + name);
  nn::parameters_of(trainer.ema_network())[0].value->data<float>()[0] = kNan;
  EXPECT_EQ(culprit_of([&] { save_checkpoint(folder, trainer, {}, 3); }), "the average of " + name);
  EXPECT_EQ(newest_checkpoint(folder)->filename(), "step_00000001");
  EXPECT_EQ(find_checkpoint(folder), *newest_checkpoint(folder));
  EXPECT_EQ(find_checkpoint(*newest_checkpoint(folder)), *newest_checkpoint(folder));
  EXPECT_THROW(find_checkpoint(folder / "none"), UserError);
  fs::remove_all(folder);
}

TEST(Nonfinite, CheckpointsKeepTheWholeProgress) {
  const fs::path folder =
      fs::temp_directory_path() / ("ito_progress_" + std::to_string(::getpid()));
  fs::remove_all(folder);
  Trainer trainer = trainer_of(mlp(), "skip");
  trainer.step(points(0));
  TrainingProgress wanted = trainer.progress();
  wanted.rollbacks = 2;
  trainer.set_progress(wanted);
  for (int64_t i = 1; i < 4; ++i) trainer.step(bad_points(i));
  save_checkpoint(folder, trainer, {}, 1);
  Trainer other = trainer_of(mlp(), "skip");
  load_checkpoint(*newest_checkpoint(folder), other);
  fs::remove_all(folder);
  const TrainingProgress& p = other.progress();
  EXPECT_EQ(p.steps, 4);
  EXPECT_EQ(p.skipped, 3);
  EXPECT_EQ(p.skipped_in_a_row, 3);
  EXPECT_EQ(p.rollbacks, 2);
  EXPECT_EQ(p.window.count, 1);
  EXPECT_EQ(p.window.skipped, 3);
  EXPECT_EQ(p.window.sum, trainer.loss_window().sum);
  trainer.step(points(4));
  other.step(points(4));
  EXPECT_EQ(state_of(trainer), state_of(other));
}

TEST(Nonfinite, ARollbackDrawsOtherNoiseForStepsAndTheSameForEvaluations) {
  Trainer trainer = trainer_of(mlp(), "rollback");
  const double loss = trainer.evaluate(points(0), 5);
  const NoiseStream first = trainer.stream();
  TrainingProgress progress = trainer.progress();
  progress.rollbacks = 1;
  trainer.set_progress(progress);
  EXPECT_EQ(trainer.evaluate(points(0), 5), loss);
  EXPECT_EQ(trainer.stream().step, first.step);
  EXPECT_EQ(trainer.stream().seed - first.seed, 0x9e3779b97f4a7c15u);
  Trainer other = trainer_of(mlp(), "rollback");
  EXPECT_NE(trainer.step(points(0)).loss, other.step(points(0)).loss);
}

}  // namespace
}  // namespace ito::sde
