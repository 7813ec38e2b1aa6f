#include "samplers/config.h"

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"
#include "samplers/ode/tableau.h"
#include "samplers/predictors/predictor.h"

namespace ito::samplers {
namespace {

void choice(const char* key, const std::string& value,
            std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (value == name) return;
  }
  fail(ErrorCode::bad_value, key, "is \"" + value + "\"",
       nearest_name_fix(value, std::span(names.begin(), names.size())));
}

void require(bool good, const char* key, const SettingValue& value, const char* fix) {
  if (!good) fail(ErrorCode::bad_value, key, "is " + to_string(value), fix);
}

}  // namespace

void SamplingConfig::fields(Fields& f) {
  f.section("sampling");
  f.add("method", &method,
        "pc (predictor-corrector), ode, stochastic_heun, sra1, adaptive, edm, dpm_solver or "
        "annealed_langevin");
  f.add("predictor", &predictor,
        "euler_maruyama, reverse_diffusion, ancestral_sampling, probability_flow, ddim or none");
  f.add("corrector", &corrector, "none, langevin or ald");
  f.add("steps", &steps, "steps, >= 1; levels of annealed_langevin");
  f.add("snr", &snr, "signal-to-noise ratio of the corrector, >= 0");
  f.add("corrector_steps", &corrector_steps,
        "corrector steps per predictor step, or per level of annealed_langevin, >= 0");
  f.add("denoise", &denoise, "tweedie, mean or none");
  f.add("eps", &eps, "time at which sampling ends, in [0, 1); 0: the SDE's own");
  f.add("probability_flow", &probability_flow, "predictors follow the ODE");
  f.add("snr_norm", &snr_norm, "norms of the corrector: per_sample, batch_mean or sqrt_dim");
  f.add("order", &order,
        "corrector_first (the published code) or predictor_first (the paper's algorithm 1)");
  f.add("corrector_alpha", &corrector_alpha,
        "size of Langevin steps of VP and sub-VP: 1 - beta_k (per_step: the published code) or the "
        "product of them (cumulative: the paper's algorithm 5)");
  f.add("ancestral_variance", &ancestral_variance,
        "published, posterior (of x_next given the data) or forward (beta_k)");
  f.add("eta", &eta, "noise of ddim, in [0, 1]; 0: deterministic");
  f.add("grid", &grid,
        "uniform (in time), quadratic, geometric (in sigma), uniform_lambda, karras or cosine; "
        "auto: karras for edm, uniform_lambda for dpm_solver, else uniform");
  f.add("solver", &solver, "of ode: dopri5 (adaptive), euler, midpoint, heun or rk4");
  f.add("control", &control, "steps of dopri5: per_sample or whole_batch");
  f.add("rtol", &rtol, "relative error of a step of ode and adaptive; 0: the method's own");
  f.add("atol", &atol, "absolute error of a step of ode and adaptive; 0: the method's own");
  f.add("churn", &churn, "of edm: noise added over the whole run, >= 0");
  f.add("churn_min", &churn_min, "of edm: least sigma / alpha that is churned");
  f.add("churn_max", &churn_max, "of edm: largest sigma / alpha that is churned; 0: no limit");
  f.add("churn_noise", &churn_noise, "of edm: factor of the added noise");
  f.add("solver_order", &solver_order, "of dpm_solver: 1 or 2");
  f.add("threshold", &threshold, "of dpm_solver: quantile of dynamic thresholding; 0: off");
  f.add("step_size", &step_size, "of annealed_langevin: at the last level, in data units squared");
}

void SamplingConfig::validate() const {
  choice("sampling.method", method,
         {"pc", "ode", "stochastic_heun", "sra1", "adaptive", "edm", "dpm_solver",
          "annealed_langevin"});
  predictor_by_name(predictor);
  choice("sampling.corrector", corrector, {"none", "langevin", "ald"});
  choice("sampling.denoise", denoise, {"tweedie", "mean", "none"});
  choice("sampling.snr_norm", snr_norm, {"per_sample", "batch_mean", "sqrt_dim"});
  choice("sampling.order", order, {"corrector_first", "predictor_first"});
  choice("sampling.corrector_alpha", corrector_alpha, {"per_step", "cumulative"});
  choice("sampling.ancestral_variance", ancestral_variance, {"published", "posterior", "forward"});
  require(eta >= 0 && eta <= 1, "sampling.eta", eta, "use a value in [0, 1]");
  require(steps >= 1, "sampling.steps", int64_t{steps}, "use 1 or more");
  require(snr >= 0, "sampling.snr", snr, "use 0 or more");
  require(corrector_steps >= 0, "sampling.corrector_steps", int64_t{corrector_steps},
          "use 0 or more");
  require(eps >= 0 && eps < 1, "sampling.eps", eps, "use a time in [0, 1)");
  choice("sampling.grid", grid,
         {"auto", "uniform", "quadratic", "geometric", "uniform_lambda", "karras", "cosine"});
  tableau_by_name(solver);
  choice("sampling.control", control, {"per_sample", "whole_batch"});
  require(rtol >= 0, "sampling.rtol", rtol, "use 0 or more");
  require(atol >= 0, "sampling.atol", atol, "use 0 or more");
  require(churn >= 0, "sampling.churn", churn, "use 0 or more");
  require(churn_min >= 0, "sampling.churn_min", churn_min, "use 0 or more");
  require(churn_max >= 0, "sampling.churn_max", churn_max, "use 0 or more");
  require(churn_noise >= 0, "sampling.churn_noise", churn_noise, "use 0 or more");
  require(solver_order == 1 || solver_order == 2, "sampling.solver_order", int64_t{solver_order},
          "use 1 or 2");
  require(threshold >= 0 && threshold <= 1, "sampling.threshold", threshold,
          "use a value in [0, 1]");
  require(step_size > 0, "sampling.step_size", step_size, "use a positive number");
}

}  // namespace ito::samplers
