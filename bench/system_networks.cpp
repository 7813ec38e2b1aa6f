#include <benchmark/benchmark.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "bench/system_bench.h"
#include "engine/autograd/autograd.h"
#include "engine/autograd/op_info.h"
#include "engine/core/allocator.h"
#include "kernels/adam_ema_step/op.h"
#include "models/make.h"
#include "samplers/sample.h"
#include "sde/training/score_model.h"
#include "sde/training/trainer.h"
#include "tools/config/config.h"

namespace ito {
const OpInfo& op_adam_ema_step();
}  // namespace ito

namespace ito::bench {
namespace {

constexpr const char* kDemo = "demo";
constexpr const char* kMnist = "mnist";
constexpr const char* kCifar = "ve/cifar10_ncsnpp_continuous";

tools::Config config_of(const std::string& preset) {
  // Layers that start at zero would make the ODE's steps easier than a trained network does.
  return tools::load_config({.preset = preset, .file = {}, .overrides = {"model.init_scale=1"}});
}

Shape sample_shape(const tools::Config& config) {
  return {config.data.image_size, config.data.image_size, config.data.channels};
}

/// A network of random weights, held as one that was loaded for sampling.
sde::ScoreModel model_of(const std::string& preset) {
  const tools::Config config = config_of(preset);
  sde::ScoreModel model;
  model.network = nn::make_network(config.model, config.image(), 1);
  nn::keep_packed_weights(*model.network);
  model.sde = sde::make_sde(config.sde);
  model.labelling = {config.objective.continuous ? sde::Labels::continuous : sde::Labels::discrete,
                     config.sde.num_scales};
  model.objective = config.objective;
  model.sample_shape = sample_shape(config);
  return model;
}

/// The state that sampling starts from.
struct Start {
  std::vector<int64_t> samples;
  Tensor x;
};

Start start_of(const sde::ScoreModel& model, int64_t batch) {
  Start start;
  for (int64_t i = 0; i < batch; ++i) start.samples.push_back(i);
  start.x = samplers::prior_sample(*model.sde, model.sample_shape, start.samples, {.seed = 1});
  return start;
}

struct Step {
  double seconds = 0;
  int64_t evaluations = 0;
};

/// The second step of a sampling run: between the first two calls of its observer.
Step time_step(const sde::ScoreModel& model, const Start& start,
               const samplers::SamplingConfig& config) {
  Step step;
  bool first = true;
  Stopwatch watch;
  const sde::ScoreFn score = model.score();
  const sde::ScoreFn counted = [&](const Tensor& x, std::span<const double> t) {
    ++step.evaluations;
    return score(x, t);
  };
  const auto observer = [&](const samplers::StepView&) {
    if (!first) {
      step.seconds = watch.seconds();
      return samplers::Verdict::stop;
    }
    first = false;
    step.evaluations = 0;
    watch = {};
    return samplers::Verdict::go_on;
  };
  samplers::sample(counted, *model.sde, start.x, start.samples, config,
                   samplers::SamplingMode::product, {.seed = 1}, observer);
  return step;
}

enum class Report { step, evaluation };

/// Steps and bare passes of the network in turns; what a step has beyond its passes is overhead, by
/// the least time of each: other work on the machine only adds.
void time_sampler(benchmark::State& state, const std::string& preset, int64_t batch,
                  const samplers::SamplingConfig& config, Report report) {
  const NoGradScope off;
  const sde::ScoreModel model = model_of(preset);
  const Start start = start_of(model, batch);
  const Tensor labels = Tensor::full({batch}, 0.5, DType::f32);
  int64_t evaluations = 0;
  double network = std::numeric_limits<double>::infinity(), ours = network;
  for (auto _ : state) {
    const Step step = time_step(model, start, config);
    evaluations += step.evaluations;
    const double each = step.seconds / static_cast<double>(step.evaluations);
    state.SetIterationTime(report == Report::step ? step.seconds : each);
    ours = std::min(ours, each);
    model.network->forward(start.x, labels);  // warms its blocks, as a sampler's first step
    const Stopwatch watch;
    benchmark::DoNotOptimize(model.network->forward(start.x, labels));
    network = std::min(network, watch.seconds());
  }
  state.counters["evaluations"] =
      benchmark::Counter(static_cast<double>(evaluations), benchmark::Counter::kAvgIterations);
  state.counters["network_ms"] = 1e3 * network;
  state.counters["overhead_percent"] = 100 * (ours / network - 1);
}

/// Training steps; `system_blocks` is what a step takes from the system, which is to be none.
void time_training(benchmark::State& state, const std::string& preset) {
  tools::Config config = config_of(preset);
  sde::Trainer trainer(nn::make_network(config.model, config.image(), 1), sde::make_sde(config.sde),
                       config.objective, config.optim, config.train, config.sde.num_scales);
  const Shape one = sample_shape(config);
  const Tensor x = Tensor::full({config.train.batch, one[0], one[1], one[2]}, 0.5, DType::f32);
  for (int i = 0; i < 2; ++i) trainer.step(x);
  const AllocatorStats before = allocator_of(kCpu).stats();
  for (auto _ : state) {
    const Stopwatch watch;
    trainer.step(x);
    state.SetIterationTime(watch.seconds());
  }
  const AllocatorStats after = allocator_of(kCpu).stats();
  const auto per_step = [](int64_t count) {
    return benchmark::Counter(static_cast<double>(count), benchmark::Counter::kAvgIterations);
  };
  state.counters["system_blocks"] = per_step(after.misses - before.misses);
  state.counters["blocks"] = per_step(after.requests - before.requests);
  state.SetItemsProcessed(state.iterations() * config.train.batch);
}

void time_optimizer(benchmark::State& state, const std::string& preset, const Ceilings& top) {
  const tools::Config config = config_of(preset);
  const int64_t n = nn::count_parameters(*nn::make_network_shapes(config.model, config.image()),
                                         nn::Training::trained);
  Tensors t;
  for (int i = 0; i < 5; ++i) t.push_back(Tensor::full({n}, 1e-3, DType::f32));
  ops::AdamEmaAttrs attrs;
  const auto update = [&] { return ops::adam_ema_step(t[0], t[1], t[2], t[3], t[4], attrs); };
  Specs specs;
  for (const Tensor& x : t) specs.push_back(spec_of(x));
  const double bytes = op_adam_ema_step().cost(specs, {spec_of(update())}, &attrs).bytes;
  for (auto _ : state) {
    ++attrs.step;
    const Stopwatch watch;
    benchmark::DoNotOptimize(update());
    state.SetIterationTime(watch.seconds());
  }
  using benchmark::Counter;
  state.counters["parameters"] = static_cast<double>(n);
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["copy_share"] =
      Counter(bytes / top.copy_bytes, Counter::kIsIterationInvariantRate);
}

}  // namespace

void register_networks() {
  const samplers::SamplingConfig pc{
      .method = "pc", .predictor = "reverse_diffusion", .corrector = "langevin"};
  const samplers::SamplingConfig ode{.method = "ode", .solver = "dopri5"};
  const auto add_samplers = [&](const char* preset, int64_t batch) {
    const std::string place = std::string(preset) + "/" + std::to_string(batch);
    add("sampler/pc/" + place,
        [=](benchmark::State& s) { time_sampler(s, preset, batch, pc, Report::step); });
    add("sampler/ode/" + place,
        [=](benchmark::State& s) { time_sampler(s, preset, batch, ode, Report::evaluation); });
  };
  for (const char* preset : {kDemo, kMnist}) {
    for (const int64_t batch : {1, 16}) add_samplers(preset, batch);
  }
  add_samplers(kCifar, 1);
  for (const char* preset : {kDemo, kMnist}) {
    add(std::string("training_step/") + preset,
        [=](benchmark::State& s) { time_training(s, preset); });
  }
}

void register_optimizer(const Ceilings& top) {
  for (const char* preset : {kMnist, kCifar}) {
    add(std::string("optimizer/") + preset,
        [=](benchmark::State& s) { time_optimizer(s, preset, top); });
  }
}

}  // namespace ito::bench
