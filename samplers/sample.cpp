#include "samplers/sample.h"

#include <algorithm>
#include <limits>

#include "samplers/langevin/langevin_dynamics.h"
#include "samplers/ode/probability_flow.h"
#include "samplers/pc.h"
#include "samplers/solvers/adaptive_sde.h"
#include "samplers/solvers/dpm_solver.h"
#include "samplers/solvers/edm_heun.h"
#include "samplers/solvers/stochastic_runge_kutta.h"

namespace ito::samplers {
namespace {

/// Everything that a method may need.
struct Request {
  const sde::ScoreFn& score;
  const sde::Sde& sde;
  const Tensor& x;
  const std::vector<int64_t>& samples;
  const SamplingConfig& config;
  SamplingMode mode;
  const NoiseSource& noise;
  const Observer& observer;

  double eps() const { return config.eps > 0 ? config.eps : sde.sampling_eps(); }
  Denoise denoise() const {
    return config.denoise == "none"   ? Denoise::none
           : config.denoise == "mean" ? Denoise::mean
                                      : Denoise::tweedie;
  }
  /// `published` is the grid that the method came with.
  sde::TimeGrid grid(const char* published) const {
    const std::string name = config.grid == "auto" ? published : config.grid;
    if (name == "quadratic") return sde::TimeGrid::quadratic(sde.T(), eps(), config.steps);
    if (name == "geometric") return sde::TimeGrid::geometric(sde, eps(), config.steps);
    if (name == "uniform_lambda") return sde::TimeGrid::uniform_lambda(sde, eps(), config.steps);
    if (name == "karras") return sde::TimeGrid::karras(sde, eps(), config.steps);
    if (name == "cosine") return sde::TimeGrid::cosine(sde, eps(), config.steps);
    return sde::TimeGrid::uniform(sde.T(), eps(), config.steps);
  }
};

SampleResult run_pc(const Request& r) {
  PcOptions options = r.mode == SamplingMode::reference ? reference_pc_options(r.config, r.sde)
                                                        : pc_options(r.config, r.sde);
  if (r.mode == SamplingMode::product) options.grid = r.grid("uniform");
  return sample_pc(r.score, r.sde, r.x, r.samples, options, r.noise, r.observer);
}

SampleResult run_ode(const Request& r) {
  const Tableau& rule = tableau_by_name(r.config.solver);
  const bool reference = r.mode == SamplingMode::reference;
  const bool whole = reference || r.config.control == "whole_batch";
  FlowOptions options{.eps = r.eps(), .denoise = r.denoise(), .levels = r.config.steps};
  options.solver.tableau = &rule;
  options.solver.control = rule.error.empty() ? StepControl::fixed
                           : whole            ? StepControl::whole_batch
                                              : StepControl::per_sample;
  options.solver.steps = r.config.steps;
  if (r.config.rtol > 0) options.solver.rtol = r.config.rtol;
  if (r.config.atol > 0) options.solver.atol = r.config.atol;
  if (reference && options.denoise == Denoise::tweedie) options.denoise = Denoise::none;
  return sample_ode(r.score, r.sde, r.x, options, r.observer);
}

SampleResult run_stochastic_heun(const Request& r) {
  return sample_stochastic_heun(r.score, r.sde, r.x, r.samples,
                                {.grid = r.grid("uniform"), .denoise = r.denoise()}, r.noise,
                                r.observer);
}

SampleResult run_sra1(const Request& r) {
  return sample_sra1(r.score, r.sde, r.x, r.samples,
                     {.grid = r.grid("uniform"), .denoise = r.denoise()}, r.noise, r.observer);
}

SampleResult run_adaptive(const Request& r) {
  AdaptiveOptions options{.eps = r.eps(), .denoise = r.denoise()};
  if (r.config.rtol > 0) options.rtol = r.config.rtol;
  if (r.config.atol > 0) options.atol = r.config.atol;
  return sample_adaptive(r.score, r.sde, r.x, r.samples, options, r.noise, r.observer);
}

SampleResult run_edm(const Request& r) {
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  return sample_edm_heun(r.score, r.sde, r.x, r.samples,
                         {.grid = r.grid("karras"),
                          .churn = r.config.churn,
                          .churn_min = r.config.churn_min,
                          .churn_max = r.config.churn_max > 0 ? r.config.churn_max : kNoLimit,
                          .churn_noise = r.config.churn_noise,
                          .denoise = r.denoise()},
                         r.noise, r.observer);
}

SampleResult run_dpm_solver(const Request& r) {
  return sample_dpm_solver(
      r.score, r.sde, r.x, r.samples,
      {.grid = r.grid("uniform_lambda"),
       .order = r.config.solver_order == 1 ? DpmOrder::first : DpmOrder::second_multistep,
       .threshold = r.config.threshold,
       .denoise = r.denoise()},
      r.noise, r.observer);
}

SampleResult run_annealed_langevin(const Request& r) {
  const double end = r.sde.sigma(0) > 0 ? 0 : r.eps();  // VE ends at its sigma_min, as published
  return sample_annealed_langevin(r.score, r.sde, r.x, r.samples,
                                  {.times = level_times(r.sde, r.config.steps, end),
                                   .steps_per_level = std::max(1, r.config.corrector_steps),
                                   .step = r.config.step_size,
                                   .denoise = r.denoise()},
                                  r.noise, r.observer);
}

struct Method {
  std::string_view name;
  SampleResult (*run)(const Request&);
};
constexpr Method kMethods[] = {{"pc", run_pc},
                               {"ode", run_ode},
                               {"stochastic_heun", run_stochastic_heun},
                               {"sra1", run_sra1},
                               {"adaptive", run_adaptive},
                               {"edm", run_edm},
                               {"dpm_solver", run_dpm_solver},
                               {"annealed_langevin", run_annealed_langevin}};

}  // namespace

SampleResult sample(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                    const std::vector<int64_t>& samples, const SamplingConfig& config,
                    SamplingMode mode, const NoiseSource& noise, const Observer& observer) {
  config.validate();
  if (mode == SamplingMode::reference && config.method != "pc" && config.method != "ode") {
    fail(ErrorCode::bad_combination, "sampling.method",
         "\"" + config.method + "\" is not in the published code",
         "use pc or ode with --reference");
  }
  const auto* method = std::ranges::find(kMethods, config.method, &Method::name);
  return method->run({score, sde, x, samples, config, mode, noise, observer});
}

int64_t observed_steps(const SamplingConfig& c) {
  if (c.method == "adaptive" || (c.method == "ode" && c.solver == "dopri5")) return 0;
  if (c.method == "annealed_langevin") return int64_t{c.steps} * std::max(1, c.corrector_steps);
  return c.steps;
}

}  // namespace ito::samplers
