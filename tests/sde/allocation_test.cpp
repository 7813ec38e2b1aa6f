// Training and sampling take memory from the system in their first turns alone: later ones live on
// what earlier ones gave back, and leave nothing behind.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/autograd/autograd.h"
#include "engine/core/allocator.h"
#include "engine/core/math_mode.h"
#include "engine/random/noise.h"
#include "models/make.h"
#include "samplers/sample.h"
#include "sde/config.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

/// All parts of NCSN++: both resamplings, attention, dropout and the residual pyramid; channels in
/// whole vectors, so that fast mode takes Winograd's convolutions.
std::unique_ptr<nn::Network> small_network() {
  const nn::ModelConfig model{.name = "ncsnpp",
                              .nf = 16,
                              .ch_mult = {1, 2},
                              .num_res_blocks = 1,
                              .attn_resolutions = {4},
                              .fir = true,
                              .progressive_input = "residual",
                              .embedding_type = "fourier",
                              .init_scale = 1,
                              .scale_by_sigma = true};
  return nn::make_network(model, {.image_size = 8, .channels = 3}, 3);
}

std::shared_ptr<const Sde> small_sde() {
  return make_sde({.name = "ve", .sigma_min = 0.01, .sigma_max = 10});
}

Tensor images(int64_t count) {
  Tensor x = Tensor::empty({count, 8, 8, 3}, DType::f32);
  fill_normal(x.span<float>(), {.seed = 9, .purpose = Purpose::data}, 0);
  return x;
}

/// Blocks of the system, and bytes in use.
struct Memory {
  int64_t blocks, bytes;
  static Memory now() {
    const AllocatorStats stats = allocator_of(kCpu).stats();
    return {stats.misses, stats.live_bytes};
  }
};

void expect_unchanged(const Memory& before, const std::string& what) {
  const Memory after = Memory::now();
  EXPECT_EQ(after.blocks, before.blocks) << what << " took blocks from the system";
  EXPECT_EQ(after.bytes, before.bytes) << what << " left memory behind";
}

class Allocation : public ::testing::TestWithParam<MathMode> {
 protected:
  void SetUp() override {
    allocator_of(kCpu).release(allocator_of(kCpu).allocate(1), 1);
    if (allocator_of(kCpu).stats().cached_bytes == 0) {
      GTEST_SKIP() << "no cache under AddressSanitizer or with ITO_ALLOCATOR=direct";
    }
    // Which algorithm is the faster one is no matter here; both are tested.
    setenv("ITO_CPU_CONVOLUTION", "winograd", 1);
    set_math_mode(GetParam());
  }
  void TearDown() override { set_math_mode(MathMode::exact); }
};

TEST_P(Allocation, TrainingTakesNothingAfterItsFirstSteps) {
  for (const char* precision : {"fp32", "bf16"}) {
    for (const bool checkpointing : {false, true}) {
      Trainer trainer(small_network(), small_sde(), {}, {.warmup = 0},
                      {.batch = 4, .gradient_checkpointing = checkpointing, .precision = precision},
                      1000);
      const Tensor x = images(4);
      allocator_of(kCpu).trim();  // what others left would hide first turns
      for (int i = 0; i < 2; ++i) trainer.step(x);
      for (int i = 0; i < 3; ++i) {
        const Memory before = Memory::now();
        trainer.step(x);
        expect_unchanged(before, std::string("step ") + std::to_string(i + 2) + " in " + precision +
                                     (checkpointing ? " with checkpointing" : ""));
      }
    }
  }
}

/// Steps of a run after the second, judged by what an observer sees between them.
void expect_steady(const ScoreFn& score, const Sde& sde, const samplers::SamplingConfig& config) {
  const std::string name =
      config.method + " " + (config.method == "ode" ? config.solver : config.predictor);
  const std::vector<int64_t> samples{0, 1, 2};
  const Tensor x = images(3);
  allocator_of(kCpu).trim();
  std::optional<Memory> before;
  int seen = 0;
  const auto run = [&](const samplers::Observer& observer) {
    samplers::sample(score, sde, x, samples, config, samplers::SamplingMode::product, {.seed = 1},
                     observer);
  };
  run([&](const samplers::StepView&) {
    if (before) expect_unchanged(*before, "a step of " + name);
    if (++seen >= 2) before = Memory::now();
    return samplers::Verdict::go_on;
  });
  EXPECT_GE(seen, 4) << name;
  // A second run has everything from the first.
  run({});
  const Memory after_first = Memory::now();
  run({});
  expect_unchanged(after_first, "a second run of " + name);
}

TEST_P(Allocation, SamplingTakesNothingAfterItsFirstSteps) {
  const NoGradScope off;
  const std::shared_ptr<const Sde> sde = small_sde();
  const std::shared_ptr<nn::Network> network = small_network();
  nn::keep_packed_weights(*network);
  const ScoreFn score = make_score(told_network(network), sde, {});
  using samplers::SamplingConfig;
  for (const SamplingConfig& config :
       {SamplingConfig{.method = "pc", .corrector = "langevin", .steps = 8},
        SamplingConfig{.method = "pc", .predictor = "euler_maruyama", .steps = 8},
        SamplingConfig{.method = "ode", .steps = 8, .solver = "rk4"},
        SamplingConfig{.method = "ode", .rtol = 1e-2, .atol = 1e-2},
        SamplingConfig{.method = "stochastic_heun", .steps = 8},
        SamplingConfig{.method = "sra1", .steps = 8}, SamplingConfig{.method = "edm", .steps = 8},
        SamplingConfig{.method = "dpm_solver", .steps = 8}}) {
    expect_steady(score, *sde, config);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Allocation, ::testing::Values(MathMode::exact, MathMode::fast),
                         [](const auto& mode) {
                           return mode.param == MathMode::fast ? "fast" : "exact";
                         });

}  // namespace
}  // namespace ito::sde
