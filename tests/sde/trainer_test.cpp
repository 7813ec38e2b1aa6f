// Every objective through the trainer: configurations that are refused, and steps that do not
// depend on how a batch is cut.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/random/noise.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

struct Case {
  const char* name;
  const char* sde;
  ObjectiveConfig objective;
};

Trainer trainer_of(const Case& c, int micro_batch) {
  nn::ModelConfig model{.name = "mlp", .nf = 8, .num_res_blocks = 1, .dropout = 0, .init_scale = 1};
  model.learned_variance = c.objective.learns_variance();
  model.energy = c.objective.kind == "cd";
  return Trainer(nn::make_network(model, {.image_size = 1, .channels = 2}, 3),
                 make_sde({.name = c.sde, .sigma_min = 0.1, .sigma_max = 2}), c.objective,
                 {.lr = 1e-3, .warmup = 0}, {.batch = 8, .micro_batch = micro_batch}, 40);
}

Tensor points() {
  Tensor x = Tensor::empty({8, 1, 1, 2}, DType::f32);
  fill_normal(x.span<float>(), {.seed = 9, .purpose = Purpose::data}, 0);
  return x;
}

class Objectives : public ::testing::TestWithParam<Case> {};

TEST_P(Objectives, StepsAreFiniteAndTheSameForEveryMicroBatch) {
  Trainer whole = trainer_of(GetParam(), 0), parts = trainer_of(GetParam(), 3);
  const Tensor x = points();
  double first = 0;
  for (int i = 0; i < 3; ++i) {
    const StepReport a = whole.step(x), b = parts.step(x);
    EXPECT_TRUE(std::isfinite(a.loss));
    EXPECT_GT(a.grad_norm, 0);
    EXPECT_NEAR(a.loss, b.loss, 1e-4 * std::abs(a.loss) + 1e-6) << i;
    EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-3 * a.grad_norm) << i;
    if (i == 0) first = a.loss;
  }
  // Other draws, another loss; equal draws, the same one, also without gradients.
  EXPECT_NE(whole.evaluate(x, 7), whole.evaluate(x, 8));
  EXPECT_EQ(whole.evaluate(x, 7), whole.evaluate(x, 7));
  const Trainer untrained = trainer_of(GetParam(), 0);
  EXPECT_NEAR(untrained.evaluate(x, 0), first, 1e-6 * std::abs(first));
}

constexpr auto kDiscrete = false;
INSTANTIATE_TEST_SUITE_P(
    All, Objectives,
    ::testing::Values(
        Case{"dsm", "vp", {}},
        Case{"importance", "subvp", {.likelihood_weighting = true, .importance_sampling = true}},
        Case{"single", "ve", {.kind = "dsm_single", .sigma = 0.5}},
        Case{"smld", "ve", {.kind = "smld", .continuous = kDiscrete}},
        Case{"ddpm", "vp", {.kind = "ddpm", .continuous = kDiscrete}},
        Case{"ism", "vp", {.kind = "ism"}},
        Case{"ssm", "vp", {.kind = "ssm", .projection = "unit_sphere", .particles = 2}},
        Case{"ssm_vr", "subvp", {.kind = "ssm_vr", .likelihood_weighting = true}},
        Case{"annealed", "ve", {.kind = "ssm_vr", .continuous = kDiscrete}},
        Case{"fdsm", "ve", {.kind = "fdsm", .sigma = 0.5, .difference_step = 0.05}},
        Case{"edm", "ve", {.kind = "edm"}},
        Case{"vlb", "vp", {.kind = "vlb", .continuous = kDiscrete, .reduce_mean = true}},
        Case{"vlb_learned",
             "vp",
             {.kind = "vlb", .continuous = kDiscrete, .reverse_variance = "learned"}},
        Case{"iddpm", "vp", {.kind = "iddpm", .continuous = kDiscrete}},
        Case{"cd", "ve", {.kind = "cd", .langevin_steps = 3, .langevin_step = 0.02}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Trainer, RefusesWhatDoesNotFit) {
  const ObjectiveConfig refused[] = {
      {.kind = "dsn"},
      {.kind = "vlb"},
      {.kind = "dsm", .continuous = false},
      {.importance_sampling = true},
      {.kind = "ssm", .likelihood_weighting = true, .importance_sampling = true},
      {.kind = "dsm_single"},
      {.kind = "dsm", .sigma = 0.5},
      {.kind = "ssm_vr", .continuous = false, .sigma = 0.5},
      {.kind = "ssm_vr", .projection = "unit_sphere"},
      {.kind = "ssm", .projection = "cube"},
      {.kind = "ssm", .particles = 0},
      {.kind = "fdsm", .difference_step = 0},
      {.kind = "edm", .sigma_data = 0},
      {.kind = "vlb", .continuous = false, .bits = 17},
      {.kind = "vlb", .continuous = false, .reverse_variance = "free"},
      {.kind = "cd", .langevin_steps = 0},
  };
  for (const ObjectiveConfig& objective : refused) {
    EXPECT_THROW(objective.validate(), UserError) << objective.kind;
  }
  const auto refuses = [](const char* sde, const ObjectiveConfig& objective) {
    EXPECT_NO_THROW(objective.validate());
    EXPECT_THROW(trainer_of({"", sde, objective}, 0), UserError) << objective.kind << " " << sde;
  };
  refuses("vp", {.kind = "edm"});
  refuses("vp", {.kind = "cd"});
  refuses("ve", {.kind = "iddpm", .continuous = false});
  refuses("subvp", {.kind = "ssm_vr", .continuous = false});
  refuses("ve", {.kind = "dsm_single", .sigma = 5});  // larger than sigma_max
}

TEST(ScoreNetwork, TakesTheNoiseOfNetworksThatLearnVariances) {
  const NetworkFn network = [](const Tensor&, const Tensor&) {
    return Tensor::from(std::vector{1.0, 2.0, 3.0, 4.0}, {1, 1, 1, 4});
  };
  const Tensor x = Tensor::zeros({1, 1, 1, 2}, DType::f64), labels = Tensor::zeros({1}, DType::f64);
  const ObjectiveConfig iddpm{.kind = "iddpm", .continuous = false};
  EXPECT_EQ(score_network(network, iddpm)(x, labels).to_vector<double>(),
            (std::vector<double>{1, 2}));
  EXPECT_EQ(score_network(network, {})(x, labels).numel(), 4);
}

}  // namespace
}  // namespace ito::sde
