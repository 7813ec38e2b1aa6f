// Every sampler on a device: against the CPU, recorded against piece by piece, in batches and
// alone, and under the guards that forbid waiting and allocating.
//   device_samplers_test --device=emulated|cuda [gtest flags]
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "engine/core/allocator.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/stream.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "samplers/controllable/guidance.h"
#include "samplers/langevin/hamiltonian.h"
#include "samplers/langevin/langevin_dynamics.h"
#include "samplers/latent/latent.h"
#include "samplers/likelihood/log_likelihood.h"
#include "samplers/pc.h"
#include "samplers/sample.h"
#include "tests/device/guards.h"
#include "tests/device/sampler_scores.h"
#include "tests/support/samples.h"

namespace ito::samplers {
namespace {

Device device = kEmulated;

using Indices = std::vector<int64_t>;
using testing::gaussian_score;
using testing::kMu;
using testing::kSize;
using testing::network_score;
using testing::SdePtr;

constexpr uint64_t kSeed = 5;
constexpr int kSteps = 5;  // warm-up, recording, three replays

// Gaussian scores are a few roundings per element and step, and steps are contractions.
constexpr double kAnalyticBound = 1e-6;
// An evaluation of a network adds 1e-6 relative; at most 20 of them stay below this.
constexpr double kNetworkBound = 1e-4;
// The error estimate of an adaptive solver is a small difference: at a tolerance of 1e-3 or more
// its rounding is 1e-4 of it, moves the steps as much, and the result by 1e-4 of the tolerance per
// step.
constexpr double kAdaptiveBound = 2e-5;

const sde::SdeConfig& sde_config(const std::string& name) {
  static std::map<std::string, sde::SdeConfig> all;
  // Few steps: less noise than published, so that none of them is unstable.
  return all.try_emplace(name, sde::SdeConfig{.name = name, .sigma_max = 5, .beta_max = 4})
      .first->second;
}

Tensor images(int64_t count, uint64_t seed) {
  return testing::converted(
      testing::random_like({{count, kSize, kSize, 3}, DType::f32, kCpu}, DType::f32, seed),
      DType::f32);
}

// ---- One sampler in all the ways it can run ----

enum class Execution { recorded, piecewise };

struct Request {
  const sde::ScoreFn& score;
  const sde::Sde& sde;
  const Tensor& start;
  const Indices& samples;
};

struct Experiment {
  std::string noise = "vp";
  std::function<sde::ScoreFn(const SdePtr&, const Indices&, Device)> score =
      [](const SdePtr& sde, const Indices&, Device) { return gaussian_score(sde); };
  std::function<SampleResult(const Request&)> run;
  double bound = kAnalyticBound;
};

struct Ran {
  std::vector<float> x;
  int64_t evaluations = 0, graph_nodes = 0;
};

Ran run(const Experiment& experiment, Device where, Execution execution, const Indices& samples) {
  const testing::KernelsAlone own_kernels(device);
  const SdePtr sde = sde::make_sde(sde_config(experiment.noise));
  const sde::ScoreFn score = experiment.score(sde, samples, where);
  const sde::ScoreFn host_only = [&](const Tensor& x, std::span<const double> t) {
    return score(x, t);
  };
  const Tensor start = prior_sample(*sde, {kSize, kSize, 3}, samples, {.seed = kSeed}).to(where);
  const SampleResult result =
      experiment.run({execution == Execution::recorded ? score : host_only, *sde, start, samples});
  return {result.x.to_vector<float>(), result.evaluations, result.graph_nodes};
}

/// |a - b| / |b|, L2.
template <class T>
double relative_distance(const std::vector<T>& a, const std::vector<T>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

enum class Recording { expected, impossible };

void expect_same_everywhere(const Experiment& experiment,
                            Recording recording = Recording::expected) {
  const Indices both{0, 5};
  const Ran here = run(experiment, kCpu, Execution::recorded, both);
  const Ran there = run(experiment, device, Execution::recorded, both);
  EXPECT_LE(relative_distance(there.x, here.x), experiment.bound);
  EXPECT_EQ(there.evaluations, here.evaluations);
  EXPECT_EQ(there.graph_nodes > 0, recording == Recording::expected);

  const Ran piecewise = run(experiment, device, Execution::piecewise, both);
  EXPECT_EQ(piecewise.graph_nodes, 0);
  EXPECT_EQ(there.x, piecewise.x) << "recorded and piece by piece";
  EXPECT_EQ(there.x, run(experiment, device, Execution::recorded, both).x) << "the same again";

  std::vector<float> alone;
  for (const int64_t i : both) {
    const Ran one = run(experiment, device, Execution::recorded, {i});
    alone.insert(alone.end(), one.x.begin(), one.x.end());
  }
  EXPECT_EQ(there.x, alone) << "a batch and its samples one by one";
}

Experiment configured(SamplingConfig config, const std::string& sde) {
  return {.noise = sde, .run = [config](const Request& r) {
            return sample(r.score, r.sde, r.start, r.samples, config, SamplingMode::product,
                          {.seed = kSeed});
          }};
}

std::string name_of(const SamplingConfig& c) {
  std::string name = c.method;
  if (c.method == "ode") name += "_" + c.solver;
  if (c.method == "dpm_solver") name += std::to_string(c.solver_order);
  if (c.churn > 0) name += "_churn";
  return name;
}

const SamplingConfig kMethods[] = {
    {.method = "pc", .corrector = "langevin", .steps = kSteps},
    {.method = "ode", .steps = kSteps, .solver = "dopri5", .rtol = 1e-2, .atol = 1e-2},
    {.method = "ode", .steps = kSteps, .solver = "heun"},
    {.method = "ode", .steps = kSteps, .denoise = "mean", .solver = "rk4"},
    {.method = "stochastic_heun", .steps = kSteps},
    {.method = "sra1", .steps = kSteps, .denoise = "mean"},
    {.method = "adaptive", .rtol = 0.3, .atol = 0.3},
    {.method = "edm", .steps = kSteps},
    {.method = "edm", .steps = kSteps, .denoise = "mean", .churn = 2},
    {.method = "dpm_solver", .steps = kSteps, .solver_order = 1},
    {.method = "dpm_solver", .steps = kSteps, .solver_order = 2},
    {.method = "annealed_langevin", .steps = kSteps, .step_size = 1e-5},
};

Recording recording_of(const SamplingConfig& c) {
  return c.method == "adaptive" || (c.method == "ode" && c.solver == "dopri5")
             ? Recording::impossible
             : Recording::expected;
}

class Methods : public ::testing::TestWithParam<SamplingConfig> {};

TEST_P(Methods, OfAGaussian) {
  for (const char* sde : {"ve", "vp", "subvp"}) {
    SCOPED_TRACE(sde);
    Experiment experiment = configured(GetParam(), sde);
    const Recording recording = recording_of(GetParam());
    if (recording == Recording::impossible) experiment.bound = kAdaptiveBound;
    expect_same_everywhere(experiment, recording);
  }
}

TEST_P(Methods, OfANetwork) {
  Experiment experiment = configured(GetParam(), "vp");
  experiment.score = [](const SdePtr& sde, const Indices&, Device where) {
    return network_score(sde, where);
  };
  experiment.bound = kNetworkBound;
  const Ran here = run(experiment, kCpu, Execution::recorded, {0, 5});
  const Ran there = run(experiment, device, Execution::recorded, {0, 5});
  EXPECT_LE(relative_distance(there.x, here.x), experiment.bound);
  EXPECT_EQ(there.evaluations, here.evaluations);
  const Ran alone = run(experiment, device, Execution::piecewise, {5});
  const std::vector<float> second(there.x.begin() + static_cast<std::ptrdiff_t>(alone.x.size()),
                                  there.x.end());
  EXPECT_EQ(second, alone.x) << "recorded in a batch, and alone piece by piece";
}

INSTANTIATE_TEST_SUITE_P(All, Methods, ::testing::ValuesIn(kMethods),
                         [](const auto& row) { return name_of(row.param); });

// ---- Predictors, correctors, orders ----

struct Mix {
  const char* predictor;
  const char* sde;
};
constexpr Mix kMixes[] = {{"euler_maruyama", "subvp"},
                          {"reverse_diffusion", "ve"},
                          {"ancestral_sampling", "vp"},
                          {"ancestral_sampling", "ve"},
                          {"probability_flow", "subvp"},
                          {"ddim", "vp"},
                          {"none", "ve"}};

class Mixes : public ::testing::TestWithParam<Mix> {};

TEST_P(Mixes, WithEveryCorrectorInBothOrders) {
  const auto [predictor, sde] = GetParam();
  for (const char* corrector : {"none", "langevin", "ald"}) {
    for (const char* order : {"corrector_first", "predictor_first"}) {
      const bool idle = std::strcmp(predictor, "none") == 0 && std::strcmp(corrector, "none") == 0;
      if (idle) continue;
      SCOPED_TRACE(std::string(corrector) + ", " + order);
      const bool corrector_first = std::strcmp(order, "corrector_first") == 0;
      expect_same_everywhere(configured({.predictor = predictor,
                                         .corrector = corrector,
                                         .steps = kSteps,
                                         .corrector_steps = 2,
                                         .denoise = corrector_first ? "mean" : "tweedie",
                                         .snr_norm = "sqrt_dim",
                                         .order = order,
                                         .eta = 0.5},
                                        sde));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Mixes, ::testing::ValuesIn(kMixes), [](const auto& row) {
  return std::string(row.param.predictor) + "_" + row.param.sde;
});

// ---- Controllable generation ----

struct Task {
  const char* name;
  LinearMeasurement (*measurement)(const Tensor& like);
};
const Task kTasks[] = {
    {"inpainting", [](const Tensor& like) { return inpainting(box_mask(like, 2, 1, 4, 5)); }},
    {"super_resolution", [](const Tensor&) { return super_resolution(2); }},
    {"colorization", [](const Tensor& like) { return colorization(like); }},
    {"blur", [](const Tensor& like) { return blur(gaussian_taps(0.8), 0.05, like); }},
    {"fourier", [](const Tensor& like) {
       const Tensor mask = random_mask(like, 0.5, {.seed = 3});
       return fourier_subsampling(ops::reshape(mask, {kSize, kSize}));
     }}};

class Constrained : public ::testing::TestWithParam<Task> {};

/// The data that a batch's measurements come from: by the sample's index alone.
Tensor data_of(const Indices& samples, Device where, DType dtype = DType::f32) {
  std::vector<float> all;
  for (const int64_t i : samples) {
    const std::vector<float> one = images(1, static_cast<uint64_t>(i)).to_vector<float>();
    all.insert(all.end(), one.begin(), one.end());
  }
  const Tensor host = Tensor::from(all, {static_cast<int64_t>(samples.size()), kSize, kSize, 3});
  return testing::converted(host, dtype).to(where);
}

SampleResult run_constrained(const Request& r, const Task& task, ConstraintRule rule,
                             const Observer& observer = {}) {
  PcOptions o = pc_options({.corrector = "langevin", .steps = kSteps}, r.sde);
  const LinearMeasurement measurement = task.measurement(r.start);
  const Tensor y = measurement.apply(data_of(r.samples, r.start.device()));
  o.constraint = {.measurement = measurement, .y = y, .weight = 0.9, .rule = rule};
  const NoiseSource noise{.seed = kSeed};
  const Tensor start = constrained_start(*o.constraint, r.sde, r.start, r.samples, noise);
  return sample_pc(r.score, r.sde, start, r.samples, o, noise, observer);
}

TEST_P(Constrained, IsTheSameEverywhere) {
  for (const ConstraintRule rule : {ConstraintRule::exact, ConstraintRule::reference}) {
    Experiment experiment;
    experiment.run = [rule](const Request& r) { return run_constrained(r, GetParam(), rule); };
    expect_same_everywhere(experiment);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Constrained, ::testing::ValuesIn(kTasks),
                         [](const auto& row) { return row.param.name; });

TEST(Guided, ByAClassifier) {
  const sde::SdeConfig& noise = sde_config("vp");
  const testing::ClassifierFile file(noise);
  Experiment experiment = configured({.method = "edm", .steps = 4}, "vp");
  const Ran free = run(experiment, kCpu, Execution::recorded, {0, 5});
  experiment.score = [&](const SdePtr& sde, const Indices& samples, Device where) {
    return file.guided(gaussian_score(sde), noise, samples, where);
  };
  experiment.bound = kNetworkBound;
  const Ran guided = run(experiment, kCpu, Execution::recorded, {0, 5});
  ASSERT_GT(relative_distance(guided.x, free.x), 100 * experiment.bound);  // or nothing is tested
  expect_same_everywhere(experiment);
}

TEST(Guided, WithoutAClassifier) {
  Experiment experiment = configured({.corrector = "langevin", .steps = kSteps}, "vp");
  experiment.score = [](const SdePtr& sde, const Indices&, Device where) {
    return classifier_free(network_score(sde, where), gaussian_score(sde, -kMu), 1.5);
  };
  experiment.bound = kNetworkBound;
  expect_same_everywhere(experiment);
}

TEST(Guided, ByANoisyMeasurement) {
  Experiment experiment = configured({.method = "sra1", .steps = kSteps}, "vp");
  experiment.score = [](const SdePtr& sde, const Indices& samples, Device where) {
    const LinearMeasurement measurement = super_resolution(2);
    return guided(
        gaussian_score(sde),
        likelihood_guidance(sde, measurement, measurement.apply(data_of(samples, where)), 0.5));
  };
  expect_same_everywhere(experiment);
}

// ---- Langevin dynamics and Hamiltonian Monte Carlo ----

AnnealedOptions annealed_with_known_part(const Request& r) {
  AnnealedOptions o{
      .times = level_times(r.sde, 3, r.sde.sampling_eps()), .steps_per_level = 2, .step = 1e-5};
  o.known = {.data = data_of(r.samples, r.start.device()),
             .mask = box_mask(r.start, 1, 2, 3, 4),
             .renew = KnownPart::Renew::per_step};
  return o;
}

TEST(Langevin, AnnealedWithAKnownPart) {
  Experiment experiment;
  experiment.run = [](const Request& r) {
    return sample_annealed_langevin(r.score, r.sde, r.start, r.samples, annealed_with_known_part(r),
                                    {.seed = kSeed});
  };
  expect_same_everywhere(experiment);
}

TEST(Langevin, Plain) {
  Experiment experiment;
  experiment.run = [](const Request& r) {
    return sample_langevin(r.score, r.sde, r.start, r.samples,
                           {.t = 0.3, .step = 0.01, .steps = kSteps}, {.seed = kSeed});
  };
  expect_same_everywhere(experiment);
}

TEST(Hamiltonian, IsTheSameEverywhereAndDoesNotWait) {
  const testing::KernelsAlone own_kernels(device);
  const DensityFn density = density_of(
      [](const Tensor& x) { return -0.5 * ops::sum(ops::flatten(ops::square(x)), {1}); });
  const auto hmc = [&](Device where, const Indices& samples) {
    const Tensor start = data_of(samples, where);
    std::optional<cuda::NoSyncScope> no_wait;
    // Long steps: some proposals are rejected.
    return sample_hmc(density, start, samples, {.step = 0.55, .leapfrog_steps = 2, .iterations = 6},
                      {.seed = kSeed}, [&](const StepView& v) {
                        if (v.step == 0) no_wait.emplace();
                        if (v.step == 5) no_wait.reset();
                        return Verdict::go_on;
                      });
  };
  const Indices samples{0, 1, 2, 3, 4, 5, 6, 7};
  const HmcResult here = hmc(kCpu, samples), there = hmc(device, samples);
  EXPECT_EQ(there.acceptance, here.acceptance);
  EXPECT_LE(relative_distance(there.x.to_vector<float>(), here.x.to_vector<float>()),
            kAnalyticBound);
  const double share = std::accumulate(here.acceptance.begin(), here.acceptance.end(), 0.0) / 8;
  EXPECT_GT(share, 0.2);
  EXPECT_LT(share, 0.95);
}

// ---- Likelihood and latents ----

TEST(Likelihood, OfAGaussianIsThatOfTheCpu) {
  const testing::KernelsAlone own_kernels(device);
  const SdePtr sde = sde::make_sde(sde_config("vp"));
  const auto likelihood = [&](Device where, const Indices& samples, StepControl control) {
    return log_likelihood(
        gaussian_score(sde), *sde, data_of(samples, where), samples,
        {.solver = {.control = control, .rtol = 1e-3, .atol = 1e-3}, .seed = kSeed});
  };
  for (const StepControl control : {StepControl::per_sample, StepControl::whole_batch}) {
    const Likelihood here = likelihood(kCpu, {0, 5}, control);
    const Likelihood there = likelihood(device, {0, 5}, control);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(there.logp[i], here.logp[i], kAdaptiveBound * std::abs(here.logp[i]));
    }
    EXPECT_EQ(there.evaluations, here.evaluations);
    EXPECT_EQ(there.logp, likelihood(device, {0, 5}, control).logp);
    EXPECT_LE(relative_distance(there.latent.to_vector<float>(), here.latent.to_vector<float>()),
              kAdaptiveBound);
    if (control != StepControl::per_sample) continue;
    const Likelihood alone = likelihood(device, {5}, control);
    EXPECT_EQ(there.logp[1], alone.logp[0]);
    EXPECT_EQ(there.evaluations[1], alone.evaluations[0]);
  }
}

TEST(Likelihood, OfANetworkIsThatOfTheCpu) {
  const testing::KernelsAlone own_kernels(device);
  const SdePtr sde = sde::make_sde(sde_config("vp"));
  const Indices samples{0, 5};
  const auto likelihood = [&](Device where) {
    return log_likelihood(
        network_score(sde, where), *sde, data_of(samples, where), samples,
        {.solver = {.tableau = &tableau_by_name("heun"), .control = StepControl::fixed, .steps = 2},
         .probes = 2,
         .seed = kSeed});
  };
  const Likelihood here = likelihood(kCpu), there = likelihood(device);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_NEAR(there.change[i], here.change[i], kNetworkBound * std::abs(here.change[i]));
    EXPECT_NEAR(there.logp[i], here.logp[i], kNetworkBound * std::abs(here.logp[i]));
  }
}

TEST(Flow, EqualStepsAreThoseOfTheOdeSolver) {
  const testing::KernelsAlone own_kernels(device);
  for (const char* name : {"ve", "subvp"}) {
    const SdePtr sde = sde::make_sde(sde_config(name));
    const sde::ScoreFn score = gaussian_score(sde);
    for (const Tableau& rule : tableaus()) {
      SCOPED_TRACE(std::string(rule.name));
      const OdeOptions solver{.tableau = &rule, .control = StepControl::fixed, .steps = kSteps};
      const FlowOptions flow{.solver = solver, .eps = 0.1, .denoise = Denoise::none};
      for (const DType dtype : {DType::f32, DType::f64}) {
        const Device where = dtype == DType::f32 ? device : kCpu;  // GPUs compute in f32
        const Tensor start = data_of({0, 5}, kCpu, dtype);
        const OdeResult here =
            integrate(probability_flow_rhs(score, *sde), sde->T(), flow.eps, start, solver);
        const SampleResult there = sample_ode(score, *sde, start.to(where), flow);
        EXPECT_LE(testing::max_difference(there.x.to(kCpu), testing::converted(here.y, DType::f64)),
                  testing::max_abs(here.y) * (dtype == DType::f32 ? kAnalyticBound : 1e-13));
        EXPECT_EQ(there.evaluations, here.most_evaluations());
        EXPECT_EQ(there.graph_nodes > 0, where == device);
      }
    }
  }
}

TEST(Latent, CodesAndTheirImagesAreThoseOfTheCpu) {
  const testing::KernelsAlone own_kernels(device);
  const SdePtr sde = sde::make_sde(sde_config("vp"));
  const auto codes = [&](Device where) {
    const sde::ScoreFn score = gaussian_score(sde);
    const FlowOptions o{.solver = {.rtol = 1e-3, .atol = 1e-3}};
    const SampleResult z = encode(score, *sde, data_of({0, 5}, where), o);
    return std::pair{z, decode(score, *sde, z.x, o)};
  };
  const auto here = codes(kCpu), there = codes(device);
  EXPECT_EQ(there.first.evaluations, here.first.evaluations);
  const std::vector<float> image = there.second.x.to_vector<float>();
  EXPECT_LE(relative_distance(there.first.x.to_vector<float>(), here.first.x.to_vector<float>()),
            kAdaptiveBound);
  EXPECT_LE(relative_distance(image, here.second.x.to_vector<float>()), kAdaptiveBound);
  EXPECT_LE(relative_distance(image, data_of({0, 5}, kCpu).to_vector<float>()), 0.02);
}

// ---- Guards ----

void expect_guarded(Device where, Execution execution, const std::string& sde, int steps,
                    const std::function<SampleResult(const Request&, const Observer&)>& sampler) {
  testing::Guards guards(steps);
  const Observer observer = guards.observer();
  Experiment experiment{.noise = sde,
                        .run = [&](const Request& r) { return sampler(r, observer); }};
  EXPECT_NO_THROW(run(experiment, where, execution, {0, 5}));
  EXPECT_EQ(guards.guarded(), steps - 2);
}

class Loops : public ::testing::TestWithParam<SamplingConfig> {};

TEST_P(Loops, NeitherWaitNorAllocate) {
  const auto sampler = [&](const Request& r, const Observer& observer) {
    return sample(r.score, r.sde, r.start, r.samples, GetParam(), SamplingMode::product,
                  {.seed = kSeed}, observer);
  };
  for (const Device where : {kCpu, device}) {
    for (const Execution execution : {Execution::recorded, Execution::piecewise}) {
      SCOPED_TRACE((where == kCpu ? "CPU, " : "device, ") +
                   std::string(execution == Execution::recorded ? "recorded" : "piecewise"));
      expect_guarded(where, execution, "vp", GetParam().steps, sampler);
    }
  }
}

SamplingConfig with_steps(SamplingConfig c) {
  c.steps = 6;
  c.denoise = "none";  // the last step of EDM is another one
  return c;
}
INSTANTIATE_TEST_SUITE_P(
    All, Loops,
    ::testing::Values(with_steps({.method = "pc", .corrector = "langevin"}),
                      with_steps({.method = "ode", .solver = "heun"}),
                      with_steps({.method = "ode", .solver = "rk4"}),
                      with_steps({.method = "stochastic_heun"}), with_steps({.method = "sra1"}),
                      with_steps({.method = "edm"}), with_steps({.method = "edm", .churn = 2}),
                      with_steps({.method = "dpm_solver", .solver_order = 1}),
                      with_steps({.method = "dpm_solver", .solver_order = 2}),
                      with_steps({.method = "annealed_langevin", .corrector_steps = 1})),
    [](const auto& row) { return name_of(row.param); });

TEST(Guards, HoldUnderAConstraint) {
  for (const Task& task : kTasks) {
    SCOPED_TRACE(task.name);
    for (const Device where : {kCpu, device}) {
      expect_guarded(where, Execution::recorded, "vp", kSteps,
                     [&](const Request& r, const Observer& observer) {
                       return run_constrained(r, task, ConstraintRule::exact, observer);
                     });
    }
  }
}

TEST(Guards, HoldWithAKnownPart) {
  for (const Device where : {kCpu, device}) {
    expect_guarded(
        where, Execution::recorded, "vp", 6, [](const Request& r, const Observer& observer) {
          return sample_annealed_langevin(r.score, r.sde, r.start, r.samples,
                                          annealed_with_known_part(r), {.seed = kSeed}, observer);
        });
  }
}

TEST(Guards, CatchAScoreThatWaits) {
  testing::Guards guards(kSteps);
  const Observer observer = guards.observer();
  Experiment experiment;
  experiment.score = [](const SdePtr& sde, const Indices&, Device) -> sde::ScoreFn {
    return [score = gaussian_score(sde)](const Tensor& x, std::span<const double> t) {
      x.to(kCpu);
      return score(x, t);
    };
  };
  experiment.run = [&](const Request& r) {
    return sample_pc(r.score, r.sde, r.start, r.samples, pc_options({.steps = kSteps}, r.sde),
                     {.seed = kSeed}, observer);
  };
  EXPECT_THROW(run(experiment, device, Execution::piecewise, {0}), Error);
  EXPECT_EQ(guards.guarded(), 0);
}

TEST(Memory, IsAllGivenBack) {
  const int64_t before = allocator_of(device).stats().live_bytes;
  for (const SamplingConfig& config : kMethods) {
    run(configured(config, "vp"), device, Execution::recorded, {0});
    EXPECT_EQ(allocator_of(device).stats().live_bytes, before) << name_of(config);
  }
}

}  // namespace
}  // namespace ito::samplers

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--device=cuda") == 0)
      ito::samplers::device = {ito::DeviceKind::cuda, 0};
  }
  if (!ito::is_available(ito::samplers::device)) {
    std::printf("no usable GPU: %s\n", ito::cuda::unavailable_reason().c_str());
    return 77;
  }
  return RUN_ALL_TESTS();
}
