// Noise, training and sampling on a device against the CPU, and against themselves.
//   device_test --device=emulated|cuda [gtest flags]
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/autograd/autograd.h"
#include "engine/core/allocator.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/stream.h"
#include "kernels/noise/op.h"
#include "models/make.h"
#include "samplers/pc.h"
#include "sde/config.h"
#include "sde/training/trainer.h"
#include "tests/support/samples.h"

namespace ito {
namespace {

Device device = kEmulated;

bool is_slow() { return device.kind == DeviceKind::emulated; }

/// |a - b| / |b|, L2.
double relative_distance(const Tensor& a, const Tensor& b) {
  const std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  double difference = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    difference += std::pow(static_cast<double>(x[i]) - y[i], 2);
    norm += std::pow(static_cast<double>(y[i]), 2);
  }
  return std::sqrt(difference / norm);
}

/// A DDPM++ with everything that the large ones have: two levels, attention, dropout, resampling.
std::unique_ptr<nn::Network> small_network(Device where) {
  const nn::ModelConfig model{.nf = is_slow() ? 8 : 64,
                              .ch_mult = {1, 2},
                              .num_res_blocks = 1,
                              .attn_resolutions = {is_slow() ? 4 : 8},
                              .dropout = 0.1,
                              .init_scale = 0.5};
  auto network = nn::make_network(model, {.image_size = is_slow() ? 8 : 16, .channels = 3}, 1);
  nn::move_to(*network, where);
  return network;
}

Shape image_shape(int64_t count) { return {count, is_slow() ? 8 : 16, is_slow() ? 8 : 16, 3}; }

Tensor images(int64_t count, uint64_t seed) {
  return testing::converted(
      testing::random_like({image_shape(count), DType::f32, kCpu}, DType::f32, seed), DType::f32);
}

sde::Trainer small_trainer(Device where) {
  return {small_network(where),
          sde::make_sde({.name = "vp"}),
          {},
          {.lr = 1e-3, .warmup = 0},
          {.batch = 2},
          1000};
}

/// Weights and losses after some steps.
struct Trained {
  Tensor weights;
  std::vector<double> losses;
};
Trained train(Device where, int steps) {
  sde::Trainer trainer = small_trainer(where);
  Trained result;
  for (int i = 0; i < steps; ++i) {
    result.losses.push_back(trainer.step(images(2, 10 + static_cast<uint64_t>(i)).to(where)).loss);
  }
  std::vector<float> all;
  for (const nn::Parameter& p : nn::parameters_of(trainer.network())) {
    const std::vector<float> values = p.value->to_vector<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  result.weights = Tensor::from(all, {static_cast<int64_t>(all.size())});
  return result;
}

TEST(Device, DrawsTheNormalsOfTheCpuBitForBit) {
  const std::vector<int64_t> samples{0, 1, 7, 4'000'000'000};
  const ops::NoiseAttrs attrs{.kind = ops::NoiseKind::normal,
                              .sample_shape = {is_slow() ? 1001 : 1'000'003},
                              .dtype = DType::f32,
                              .key = {0x1234567890abcdefull, Purpose::prior, 5}};
  const Tensor indices = Tensor::from(samples, {4});
  const std::vector<float> there = ops::noise(indices.to(device), attrs).to_vector<float>();
  const std::vector<float> here = ops::noise(indices, attrs).to_vector<float>();
  EXPECT_EQ(std::memcmp(there.data(), here.data(), here.size() * sizeof(float)), 0);
}

TEST(Device, TrainsAsTheCpuDoes) {
  const int steps = 3;
  const Trained there = train(device, steps), here = train(kCpu, steps);
  for (size_t i = 0; i < here.losses.size(); ++i) {
    EXPECT_NEAR(there.losses[i], here.losses[i], 1e-5 * std::abs(here.losses[i])) << "step " << i;
  }
  // Adam divides by the root of the second moment: where a gradient is of the order of its own
  // rounding, one step may differ by lr. That is a fraction of the weights.
  EXPECT_LT(relative_distance(there.weights, here.weights), 1e-3);
}

TEST(Device, TrainsTheSameTwice) {
  const Trained first = train(device, 2), second = train(device, 2);
  EXPECT_EQ(first.weights.to_vector<float>(), second.weights.to_vector<float>());
  EXPECT_EQ(first.losses, second.losses);
}

struct Sampled {
  samplers::SampleResult result;
  Tensor x;
};

enum class Execution { recorded, piecewise };

/// Predictor and corrector on the network; the score of `piecewise` cannot be tabulated.
Sampled sample(Device where, Execution execution, const std::vector<int64_t>& indices, int steps) {
  const std::shared_ptr<nn::Network> network = small_network(where);
  const std::shared_ptr<const sde::Sde> ve = sde::make_sde({.name = "ve"});
  const sde::ScoreFn score = sde::make_score(
      [network](const Tensor& x, const Tensor& labels) { return network->forward(x, labels); }, ve,
      {});
  const sde::ScoreFn host_only = [score](const Tensor& x, std::span<const double> t) {
    return score(x, t);
  };
  samplers::SamplingConfig config{.corrector = "langevin", .steps = 1000};
  samplers::PcOptions o = samplers::pc_options(config, *ve);
  o.grid = sde::TimeGrid::uniform(ve->T(), 0.5, steps);
  const Shape one{image_shape(1)[1], image_shape(1)[2], 3};
  const Tensor prior = samplers::prior_sample(*ve, one, indices, {.seed = 3}).to(where);
  const bool recorded = execution == Execution::recorded;
  Sampled s{samplers::sample_pc(recorded ? score : host_only, *ve, prior, indices, o, {.seed = 3}),
            {}};
  s.x = s.result.x.to(kCpu);
  return s;
}

TEST(Device, SamplesAsTheCpuDoes) {
  const int steps = is_slow() ? 3 : 20;
  const Sampled there = sample(device, Execution::recorded, {0, 5}, steps);
  const Sampled here = sample(kCpu, Execution::recorded, {0, 5}, steps);
  EXPECT_EQ(there.result.evaluations, 2 * steps + 1);
  // Each evaluation adds rounding of 1e-6 relative; 40 of them stay below this.
  EXPECT_LT(relative_distance(there.x, here.x), 1e-4);
}

TEST(Device, ARecordedStepIsThePiecewiseStepBitForBit) {
  const int steps = 4;  // warm-up, recording, two replays, these under both guards
  const Sampled recorded = sample(device, Execution::recorded, {2}, steps);
  const Sampled piecewise = sample(device, Execution::piecewise, {2}, steps);
  EXPECT_GT(recorded.result.graph_nodes, 20);
  EXPECT_EQ(piecewise.result.graph_nodes, 0);
  EXPECT_EQ(recorded.x.to_vector<float>(), piecewise.x.to_vector<float>());
}

TEST(Device, ASampleDoesNotDependOnItsBatch) {
  const int steps = is_slow() ? 2 : 10;
  const std::vector<float> alone =
      sample(device, Execution::recorded, {9}, steps).x.to_vector<float>();
  const std::vector<float> third =
      sample(device, Execution::recorded, {1, 4, 9}, steps).x.to_vector<float>();
  EXPECT_EQ(
      std::memcmp(third.data() + 2 * alone.size(), alone.data(), alone.size() * sizeof(float)), 0);
}

TEST(Device, GivesAllItsMemoryBack) {
  const int64_t before = allocator_of(device).stats().live_bytes;
  sample(device, Execution::recorded, {0}, 3);
  train(device, 1);
  EXPECT_EQ(allocator_of(device).stats().live_bytes, before);
}

}  // namespace
}  // namespace ito

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--device=cuda") == 0) ito::device = {ito::DeviceKind::cuda, 0};
  }
  if (!ito::is_available(ito::device)) {
    std::printf("no usable GPU: %s\n", ito::cuda::unavailable_reason().c_str());
    return 77;
  }
  return RUN_ALL_TESTS();
}
