#include "samplers/config.h"

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"
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
  f.add("method", &method, "pc: predictor-corrector");
  f.add("predictor", &predictor,
        "euler_maruyama, reverse_diffusion, ancestral_sampling, probability_flow, ddim or none");
  f.add("corrector", &corrector, "none, langevin or ald");
  f.add("steps", &steps, "predictor steps, >= 1");
  f.add("snr", &snr, "signal-to-noise ratio of the corrector, >= 0");
  f.add("corrector_steps", &corrector_steps, "corrector steps per predictor step, >= 0");
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
}

void SamplingConfig::validate() const {
  choice("sampling.method", method, {"pc"});
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
}

}  // namespace ito::samplers
