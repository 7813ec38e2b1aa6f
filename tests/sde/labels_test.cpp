// Training and sampling with classes: which labels are dropped, that no cut of a batch matters, and
// classifier-free guidance in one pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/random/noise.h"
#include "kernels/binary/op.h"
#include "kernels/gather/op.h"
#include "models/make.h"
#include "samplers/controllable/guidance.h"
#include "sde/config.h"
#include "sde/training/score_model.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

constexpr int kClasses = 3;
constexpr int64_t kSeed = 4;

/// x times a weight; remembers the classes that it was told.
class Spy final : public nn::Network {
 public:
  using Told = std::vector<std::vector<int64_t>>;
  explicit Spy(std::shared_ptr<Told> told)
      : weight_(Tensor::full({1}, 0.5, DType::f32)), told_(std::move(told)) {}
  Tensor forward(const Tensor& x, const Tensor&, const nn::ForwardOptions& options) const override {
    told_->push_back(options.classes ? options.classes.to_vector<int64_t>()
                                     : std::vector<int64_t>{});
    return x * weight_;
  }
  int classes() const override { return kClasses; }
  void list(nn::ParameterList& list) override { list.add("weight", "weight", weight_); }
  std::unique_ptr<Network> clone() const override { return std::make_unique<Spy>(*this); }

 private:
  Tensor weight_;
  std::shared_ptr<Told> told_;
};

Tensor points(int64_t count) {
  Tensor x = Tensor::empty({count, 1, 1, 2}, DType::f32);
  fill_normal(x.span<float>(), {.seed = 9, .purpose = Purpose::data}, 0);
  return x;
}

std::vector<int64_t> classes_of(int64_t count) {
  std::vector<int64_t> list;
  for (int64_t i = 0; i < count; ++i) list.push_back((2 * i + 1) % kClasses);
  return list;
}

Trainer trainer_of(std::unique_ptr<nn::Network> network, const TrainConfig& train,
                   const ObjectiveConfig& objective = {}, const char* sde = "vp") {
  return Trainer(std::move(network), make_sde({.name = sde, .sigma_min = 0.1, .sigma_max = 2}),
                 objective, {.lr = 1e-3, .warmup = 0}, train, 40);
}

std::unique_ptr<nn::Network> mlp(const ObjectiveConfig& objective = {}) {
  nn::ModelConfig model{.name = "mlp",
                        .nf = 8,
                        .num_res_blocks = 1,
                        .dropout = 0,
                        .init_scale = 1,
                        .num_classes = kClasses};
  model.learned_variance = objective.learns_variance();
  model.energy = objective.kind == "cd";
  return nn::make_network(model, {.image_size = 1, .channels = 2}, 3);
}

TEST(LabelDropout, IsAFunctionOfSeedStepAndPosition) {
  constexpr int64_t kBatch = 50, kSteps = 100;
  const std::vector<int64_t> classes = classes_of(kBatch);
  for (const int micro : {0, 7}) {
    const auto told = std::make_shared<Spy::Told>();
    Trainer trainer =
        trainer_of(std::make_unique<Spy>(told),
                   {.batch = kBatch, .micro_batch = micro, .label_dropout = 0.1, .seed = kSeed});
    int64_t dropped = 0;
    for (int64_t step = 0; step < kSteps; ++step) {
      told->clear();
      trainer.step(points(kBatch), classes);
      std::vector<int64_t> all;
      for (const auto& part : *told) all.insert(all.end(), part.begin(), part.end());
      std::vector<int64_t> expected = classes;
      for (uint32_t i = 0; i < kBatch; ++i) {
        const NoiseKey key{kSeed, Purpose::label, static_cast<uint32_t>(step)};
        if (uniform_at(key, i, 0) < 0.1) expected[i] = kClasses;
      }
      EXPECT_EQ(all, expected);
      dropped += std::ranges::count(all, kClasses);
    }
    // 5000 draws of probability 0.1: a standard deviation of 21.
    EXPECT_NEAR(static_cast<double>(dropped), 500, 4 * 21);
  }
}

TEST(LabelDropout, SharesOfNoneAndAllAreExact) {
  const std::vector<int64_t> classes = classes_of(6);
  for (const double share : {0.0, 1.0}) {
    const auto told = std::make_shared<Spy::Told>();
    Trainer trainer = trainer_of(std::make_unique<Spy>(told),
                                 {.batch = 6, .label_dropout = share, .seed = kSeed});
    trainer.step(points(6), classes);
    EXPECT_EQ(told->back(), share == 0 ? classes : std::vector<int64_t>(6, kClasses));
    trainer.evaluate(points(6), classes, 0);
    EXPECT_EQ(told->back(), classes) << "nothing is dropped but in training";
    trainer.step(points(6));
    EXPECT_EQ(told->back(), std::vector<int64_t>{});
  }
}

TEST(LabelDropout, OthersThanTheNetworksClassesAreRefused) {
  Trainer trainer = trainer_of(mlp(), {.batch = 2});
  EXPECT_THROW(trainer.step(points(2), std::vector<int64_t>{0, kClasses}), ValueError);
  EXPECT_THROW(trainer.step(points(2), std::vector<int64_t>{-1, 0}), ValueError);
  EXPECT_THROW(trainer.step(points(2), std::vector<int64_t>{1}), ShapeError);
  EXPECT_THROW(trainer.evaluate(points(2), std::vector<int64_t>{0, kClasses}, 0), ValueError);
  EXPECT_EQ(trainer.steps_done(), 0);
  TrainConfig train;
  train.label_dropout = 1.5;
  EXPECT_THROW(train.validate(), UserError);
}

TEST(ClassTraining, EveryObjectiveTakesClasses) {
  struct Case {
    const char* sde;
    ObjectiveConfig objective;
  };
  const Case cases[] = {{"vp", {}},
                        {"ve", {.kind = "smld", .continuous = false}},
                        {"vp", {.kind = "ssm_vr"}},
                        {"vp", {.kind = "fdsm"}},
                        {"ve", {.kind = "edm"}},
                        {"vp", {.kind = "iddpm", .continuous = false}},
                        {"ve", {.kind = "cd", .langevin_steps = 2, .langevin_step = 0.02}}};
  const std::vector<int64_t> classes = classes_of(8);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.objective.kind);
    const auto trained = [&](int micro_batch) {
      return trainer_of(mlp(c.objective), {.batch = 8, .micro_batch = micro_batch}, c.objective,
                        c.sde);
    };
    Trainer whole = trained(0), parts = trained(3), untold = trained(0);
    for (int i = 0; i < 3; ++i) {
      const StepReport a = whole.step(points(8), classes), b = parts.step(points(8), classes);
      EXPECT_NEAR(a.loss, b.loss, 1e-4 * std::abs(a.loss) + 1e-6) << i;
      EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-3 * a.grad_norm) << i;
      EXPECT_TRUE(i > 0 || a.loss != untold.step(points(8)).loss);
    }
  }
}

TEST(ClassTraining, CheckpointedGradientsGiveTheSameBits) {
  const auto weights_after = [](bool checkpointing) {
    const nn::ModelConfig model{.nf = 8,
                                .ch_mult = {1, 2},
                                .num_res_blocks = 1,
                                .attn_resolutions = {},
                                .init_scale = 1,
                                .num_classes = kClasses};
    Trainer trainer =
        trainer_of(nn::make_network(model, {.image_size = 4, .channels = 1}, 3),
                   {.batch = 5, .micro_batch = 3, .gradient_checkpointing = checkpointing});
    Tensor x = Tensor::empty({5, 4, 4, 1}, DType::f32);
    fill_normal(x.span<float>(), {.seed = 9, .purpose = Purpose::data}, 0);
    for (int i = 0; i < 3; ++i) trainer.step(x, classes_of(5));
    std::vector<float> all;
    for (const nn::Parameter& p : nn::parameters_of(trainer.ema_network())) {
      const std::vector<float> values = p.value->to_vector<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  EXPECT_EQ(weights_after(false), weights_after(true));
}

ScoreModel model_of(const char* sde, const ObjectiveConfig& objective) {
  const Labels labels = objective.continuous ? Labels::continuous : Labels::discrete;
  return {.network = mlp(objective),
          .sde = make_sde({.name = sde, .sigma_min = 0.1, .sigma_max = 2}),
          .labelling = {labels, 40},
          .objective = objective,
          .sample_shape = {1, 1, 2}};
}

TEST(ClassScore, GuidanceInOnePassIsGuidanceInTwo) {
  const std::vector<int64_t> classes{2, 0, 1, 2, 2};
  const Tensor x = points(5);
  const std::vector<double> times{0.9, 0.5, 0.3, 0.2, 0.05};
  const Tensor row = Tensor::from(std::vector<int64_t>{2}, {1});
  const std::vector<ScoreModel> models{model_of("vp", {}), model_of("subvp", {}),
                                       model_of("ve", {.kind = "edm"}),
                                       model_of("vp", {.kind = "iddpm", .continuous = false})};
  for (const ScoreModel& model : models) {
    SCOPED_TRACE(model.objective.kind);
    const ScoreFn given = model.score(classes), free = model.score();
    EXPECT_NE(given(x, times).to_vector<float>(), free(x, times).to_vector<float>());
    for (const double w : {0.5, 3.0}) {
      const ScoreFn one = model.score(classes, w);
      const ScoreFn two = samplers::classifier_free(given, free, w);
      EXPECT_EQ(one(x, times).to_vector<float>(), two(x, times).to_vector<float>());
      const std::span<const double> same(times.data(), 1);
      EXPECT_EQ(one(x, same).to_vector<float>(), two(x, same).to_vector<float>());
      EXPECT_EQ(one.tabulate(times, x)(x, row).to_vector<float>(),
                two.tabulate(times, x)(x, row).to_vector<float>());
      for (size_t i = 0; i < classes.size(); ++i) {  // alone as in the batch
        const Tensor at = Tensor::from(std::vector{static_cast<int64_t>(i)}, {1});
        const std::vector<float> alone =
            model.score(std::span(&classes[i], 1), w)(ops::gather(x, at), std::span(&times[i], 1))
                .to_vector<float>();
        EXPECT_EQ(alone, ops::gather(one(x, times), at).to_vector<float>());
      }
    }
  }
}

TEST(ClassScore, OthersThanTheModelsClassesAreRefused) {
  const ScoreModel model = model_of("vp", {});
  EXPECT_EQ(model.classes(), kClasses);
  EXPECT_THROW(model.score(std::vector<int64_t>{kClasses}), ValueError);
  EXPECT_THROW(model.score(std::vector<int64_t>{-1}, 1), ValueError);
}

}  // namespace
}  // namespace ito::sde
