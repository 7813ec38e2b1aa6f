// Graphs on the emulated device: a replay is the body, bit for bit, and waits for nothing.
#include "engine/cuda/graph.h"

#include <gtest/gtest.h>

#include "engine/autograd/autograd.h"
#include "engine/core/allocator.h"
#include "engine/core/check.h"
#include "engine/core/log.h"
#include "engine/cuda/emulated.h"
#include "engine/cuda/stream.h"
#include "kernels/affine_noise_step/op.h"
#include "kernels/group_norm_silu/op.h"
#include "tests/support/samples.h"

namespace ito::cuda {
namespace {

const Shape kShape{2, 5, 5, 8};

/// A step of a sampler whose drift is a normalisation: state, table of (a, b, c), row, samples.
struct Steps {
  Device device;
  Tensor x = random(1).to(device);
  Tensor row = Tensor::zeros({1}, DType::i64, device);
  Tensor table = Tensor::from(std::vector<double>{0.9, 0.1, 0.3, 0.8, 0.2, 0.1}, {2, 3}).to(device);
  Tensor samples = Tensor::from(std::vector<int64_t>{4, 9}, {2}).to(device);
  Tensor ones = Tensor::full({8}, 1, DType::f32, device);

  static Tensor random(uint64_t seed) {
    return testing::converted(testing::random_like({kShape, DType::f32, kCpu}, DType::f32, seed),
                              DType::f32);
  }
  Tensor score() const { return ops::group_norm_silu(x, ones, ones, {.groups = 4}); }
  void step() const {
    const auto [next, mean] = ops::affine_noise_step(x, score(), table, row, samples, Tensor(),
                                                     {.key = {7, Purpose::predictor, 3}});
    x.copy_from(next);
  }
};

TEST(CudaGraph, ReplaysAreTheBodyBitForBit) {
  const NoGradScope off;
  const Steps eager{kEmulated}, recorded{kEmulated};
  int executions = 0;
  Graph graph(kEmulated, "step", [&] {
    ++executions;
    recorded.step();
  });
  for (int i = 0; i < 6; ++i) {
    eager.step();
    graph.run();
    EXPECT_EQ(eager.x.to_vector<float>(), recorded.x.to_vector<float>()) << "run " << i;
  }
  EXPECT_TRUE(graph.is_recorded());
  EXPECT_GE(graph.nodes(), 3);
  EXPECT_EQ(executions, 2);  // once as it is, once to record
  EXPECT_TRUE(graph.fallback_reason().empty());
}

TEST(CudaGraph, ReadsWhatChangesFromDeviceMemory) {
  const NoGradScope off;
  const Steps eager{kEmulated}, recorded{kEmulated};
  Graph graph(kEmulated, "step", [&] { recorded.step(); });
  for (int i = 0; i < 4; ++i) {
    const Tensor row = Tensor::full({1}, i % 2, DType::i64, kEmulated);
    eager.row.copy_from(row);
    recorded.row.copy_from(row);
    eager.step();
    graph.run();
  }
  EXPECT_EQ(eager.x.to_vector<float>(), recorded.x.to_vector<float>());
}

TEST(CudaGraph, KeepsItsMemoryToItself) {
  const NoGradScope off;
  const Steps eager{kEmulated}, recorded{kEmulated};
  Tensor score;
  Graph graph(kEmulated, "step", [&] {
    recorded.step();
    score = recorded.score();
  });
  std::vector<Tensor> others;  // would get the blocks of a recorded step's temporaries
  for (int i = 0; i < 5; ++i) {
    eager.step();
    graph.run();
    EXPECT_EQ(eager.score().to_vector<float>(), score.to_vector<float>()) << "run " << i;
    for (const Tensor& other : others) {
      for (const float v : other.to_vector<float>()) ASSERT_EQ(v, -1e30f) << "run " << i;
    }
    for (int k = 0; k < 8; ++k)
      others.push_back(Tensor::full(kShape, -1e30, DType::f32, kEmulated));
  }
}

TEST(CudaGraph, TakesOtherWorkOverInPlace) {
  const NoGradScope off;
  const Steps a{kEmulated}, b{kEmulated};
  const Steps* target = &a;
  Graph graph(kEmulated, "step", [&] { target->step(); });
  for (int i = 0; i < 3; ++i) graph.run();
  target = &b;
  graph.invalidate();
  for (int i = 0; i < 3; ++i) graph.run();
  EXPECT_EQ(graph.updates(), 1);
  EXPECT_EQ(a.x.to_vector<float>(), b.x.to_vector<float>());
}

TEST(CudaGraph, ExecutesABodyThatWaitsAndSaysWhy) {
  const NoGradScope off;
  std::string logged;
  set_log_sink([&](LogLevel, std::string_view text) { logged = text; });
  const Steps eager{kEmulated}, recorded{kEmulated};
  int seen = 0;
  Graph graph(kEmulated, "waiting step", [&] {
    recorded.step();
    seen += recorded.row.item() == 0 ? 1 : 0;
  });
  for (int i = 0; i < 4; ++i) {
    eager.step();
    graph.run();
  }
  set_log_sink({});
  EXPECT_EQ(seen, 4);
  EXPECT_EQ(eager.x.to_vector<float>(), recorded.x.to_vector<float>());
  EXPECT_FALSE(graph.is_recorded());
  EXPECT_NE(graph.fallback_reason().find("while a graph is captured"), std::string::npos);
  EXPECT_NE(logged.find("waiting step runs without a graph"), std::string::npos) << logged;
}

TEST(CudaGraph, DoesNotHideALostDevice) {
  const NoGradScope off;
  const Steps steps{kEmulated};
  Graph graph(kEmulated, "step", [&] { steps.step(); });
  for (int i = 0; i < 3; ++i) graph.run();
  emulated::set_faults({.fault_at = 1});
  EXPECT_THROW(graph.run(), UserError);
  emulated::set_faults({});
}

TEST(CudaGraph, ExecutesOnTheCpu) {
  const NoGradScope off;
  const Steps eager{kCpu}, graphed{kCpu};
  Graph graph(kCpu, "step", [&] { graphed.step(); });
  for (int i = 0; i < 3; ++i) {
    eager.step();
    graph.run();
  }
  EXPECT_EQ(eager.x.to_vector<float>(), graphed.x.to_vector<float>());
  EXPECT_EQ(graph.nodes(), 0);
}

}  // namespace
}  // namespace ito::cuda
