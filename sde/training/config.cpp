#include "sde/training/config.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <string_view>

#include "engine/core/check.h"

namespace ito::sde {
namespace {

constexpr std::string_view kKinds[] = {"dsm",   "smld",   "ddpm",      "dsm_single", "ism",
                                       "ssm",   "ssm_vr", "fdsm",      "edm",        "vlb",
                                       "iddpm", "cd",     "classifier"};
constexpr const char* kKindsText =
    "dsm, smld, ddpm, dsm_single, ism, ssm, ssm_vr, fdsm, edm, vlb, iddpm, cd or classifier";

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> list) {
  return std::ranges::find(list, value) != list.end();
}

void require(bool good, const char* key, const SettingValue& value, const char* fix) {
  if (!good) fail(ErrorCode::bad_value, key, "is " + to_string(value), fix);
}

}  // namespace

void ObjectiveConfig::fields(Fields& f) {
  f.section("objective");
  f.add("kind", &kind, kKindsText);
  f.add("continuous", &continuous,
        "train on continuous times; false: on noise level indices (smld, ddpm, vlb, iddpm)");
  f.add("reduce_mean", &reduce_mean, "mean over pixels instead of half their sum");
  f.add("likelihood_weighting", &likelihood_weighting, "weight g(t)^2 instead of std(t)^2");
  f.add("importance_sampling", &importance_sampling,
        "with likelihood_weighting: draw times by the weight, for less variance");
  f.add("sigma", &sigma, "the only noise level, sigma(t) of the SDE; 0: all levels");
  f.add("projection", &projection,
        "directions of ssm, ssm_vr and fdsm: rademacher, gaussian, sphere or unit_sphere");
  f.add("particles", &particles, "directions per image, 1 to 1000");
  f.add("difference_step", &difference_step, "fdsm: step in units of the noise level, > 0");
  f.add("sigma_data", &sigma_data, "edm: standard deviation of the data, > 0");
  f.add("log_sigma_mean", &log_sigma_mean, "edm: mean of ln(sigma) of the noise levels drawn");
  f.add("log_sigma_std", &log_sigma_std, "edm: its standard deviation, > 0");
  f.add("bits", &bits, "vlb, iddpm: bits per value of the data, 1 to 16");
  f.add("reverse_variance", &reverse_variance, "vlb: posterior, beta or learned");
  f.add("langevin_steps", &langevin_steps, "cd: steps of the chain from each image, >= 1");
  f.add("langevin_step", &langevin_step, "cd: step size in units of the level's variance, > 0");
}

bool ObjectiveConfig::matches_scores() const {
  return kind == "ism" || kind == "ssm" || kind == "ssm_vr" || kind == "fdsm";
}

void ObjectiveConfig::validate() const {
  require(std::ranges::find(kKinds, kind) != std::end(kKinds), "objective.kind", kind,
          (std::string("use ") + kKindsText).c_str());
  require(is_one_of(projection, {"rademacher", "gaussian", "sphere", "unit_sphere"}),
          "objective.projection", projection, "use rademacher, gaussian, sphere or unit_sphere");
  require(is_one_of(reverse_variance, {"posterior", "beta", "learned"}),
          "objective.reverse_variance", reverse_variance, "use posterior, beta or learned");
  require(sigma >= 0, "objective.sigma", sigma, "use a noise level, or 0 for all");
  require(particles >= 1 && particles <= 1000, "objective.particles", int64_t{particles},
          "use 1 to 1000");
  require(difference_step > 0, "objective.difference_step", difference_step, "use a positive step");
  require(sigma_data > 0, "objective.sigma_data", sigma_data, "use a positive value");
  require(log_sigma_std > 0, "objective.log_sigma_std", log_sigma_std, "use a positive value");
  require(bits >= 1 && bits <= 16, "objective.bits", int64_t{bits}, "use 1 to 16");
  require(langevin_steps >= 1, "objective.langevin_steps", int64_t{langevin_steps},
          "use 1 or more");
  require(langevin_step > 0, "objective.langevin_step", langevin_step, "use a positive step");
  validate_combinations();
}

void ObjectiveConfig::validate_combinations() const {
  const auto demand = [](bool good, const std::string& key, const std::string& fact,
                         const std::string& fix) {
    if (!good) fail(ErrorCode::bad_combination, "objective." + key, fact, fix);
  };
  const std::string here = " with objective.kind = \"" + kind + "\"";
  const bool levels = is_one_of(kind, {"smld", "ddpm", "vlb", "iddpm"});
  demand(matches_scores() || levels != continuous, "kind",
         kind + " with continuous = " + (continuous ? "true" : "false"),
         "use continuous = false with smld, ddpm, vlb and iddpm, either with ism, ssm, ssm_vr and "
         "fdsm, true with the others");
  demand(!likelihood_weighting || (continuous && sigma == 0 && (kind == "dsm" || matches_scores())),
         "likelihood_weighting", "is true" + here,
         "set objective.kind = \"dsm\", continuous = true and sigma = 0");
  demand(!importance_sampling || likelihood_weighting, "importance_sampling",
         "is true without likelihood_weighting", "set likelihood_weighting = true");
  demand(!importance_sampling || kind == "dsm", "importance_sampling", "is true" + here,
         "set objective.kind = \"dsm\"");
  demand(kind != "dsm_single" || sigma > 0, "sigma", "is 0" + here,
         "name the noise level, e.g. objective.sigma = 0.1");
  demand(sigma == 0 || kind == "dsm_single" || kind == "cd" || (matches_scores() && continuous),
         "sigma", "is set" + here,
         "use it with dsm_single, cd, and continuous ism, ssm, ssm_vr, fdsm");
  demand(kind != "ssm_vr" || projection != "unit_sphere", "projection", "is unit_sphere" + here,
         "use rademacher, gaussian or sphere, whose E[v v'] is the identity");
}

void OptimConfig::fields(Fields& f) {
  f.section("optim");
  f.add("lr", &lr, "learning rate of Adam, > 0");
  f.add("beta1", &beta1, "decay of the first moment, in [0, 1)");
  f.add("beta2", &beta2, "decay of the second moment, in [0, 1)");
  f.add("eps", &eps, "added to the root of the second moment, > 0");
  f.add("weight_decay", &weight_decay, "L2 term added to the gradient, >= 0");
  f.add("warmup", &warmup, "steps over which the rate rises linearly; 0: none");
  f.add("grad_clip", &grad_clip, "limit of the global gradient norm; negative: off");
  f.add("ema_rate", &ema_rate, "decay of the weight average, in [0, 1]; 0: off");
  f.add("ema_warmup", &ema_warmup, "decay min(rate, (1 + n) / (10 + n)) at update n");
}

void OptimConfig::validate() const {
  require(lr > 0, "optim.lr", lr, "use a positive rate");
  require(beta1 >= 0 && beta1 < 1, "optim.beta1", beta1, "use a value in [0, 1)");
  require(beta2 >= 0 && beta2 < 1, "optim.beta2", beta2, "use a value in [0, 1)");
  require(eps > 0, "optim.eps", eps, "use a positive value");
  require(weight_decay >= 0, "optim.weight_decay", weight_decay, "use 0 or more");
  require(warmup >= 0, "optim.warmup", int64_t{warmup}, "use 0 or more steps");
  require(ema_rate >= 0 && ema_rate <= 1, "optim.ema_rate", ema_rate, "use a value in [0, 1]");
}

double OptimConfig::learning_rate(int64_t step) const {
  if (warmup == 0) return lr;
  return lr * std::min(static_cast<double>(step) / warmup, 1.0);
}

double OptimConfig::ema_decay(int64_t update) const {
  if (!ema_warmup) return ema_rate;
  const auto n = static_cast<double>(update);
  return std::min(ema_rate, (1 + n) / (10 + n));
}

double OptimConfig::starting_share(int64_t updates) const {
  constexpr double kNone = 1e-9;
  double share = ema_warmup ? 1 : std::pow(ema_rate, static_cast<double>(updates));
  for (int64_t n = 1; ema_warmup && n <= updates && share >= kNone; ++n) share *= ema_decay(n);
  return share < kNone ? 0 : share;
}

void TrainConfig::fields(Fields& f) {
  f.section("train");
  f.add("batch", &batch, "images per step, >= 1");
  f.add("micro_batch", &micro_batch, "images per forward and backward pass; 0: batch");
  f.add("gradient_checkpointing", &gradient_checkpointing,
        "compute each block again in the backward pass: the same results, less memory, more time");
  f.add("label_dropout", &label_dropout,
        "with model.num_classes > 0: share of images whose class the network is not told, 0 to 1");
  f.add("max_steps", &max_steps, "steps to train for, >= 1");
  f.add("seed", &seed, "seed of weights, times, noise, dropout and data order, >= 0");
  f.add(
      "precision", &precision,
      "fp32; tf32: products may round their factors to TF32, which no device does so far, so that "
      "it is fp32; bf16: passes in bf16, weights, moments and averages in fp32");
  f.add("math", &math,
        "exact: fixed algorithms, results independent of batch and threads; fast: vendor libraries "
        "and algorithms chosen by timing, too");
  f.add("log_every", &log_every, "steps per line of metrics, >= 1");
  f.add("save_every", &save_every, "steps per checkpoint, >= 1");
  f.add("sample_every", &sample_every,
        "steps per grid of samples, or report of a classifier's accuracy; 0: none");
  f.add("early_grids", &early_grids,
        "also grids at steps 10, 20, 50, 100, ... below sample_every: the last ones of these that "
        "cost at most 4 % of the steps until then");
  f.add(
      "trajectory", &trajectory,
      "samples of the averaged weights whose way from noise is drawn at the end, where that costs "
      "at most 4 % of the steps; 0: none");
  f.add("eval_every", &eval_every,
        "steps per loss of the averaged weights on held-out images; 0: none");
  f.add("eval_images", &eval_images, "held-out images, the first ones; always the same noise");
  f.add("keep", &keep, "checkpoints kept, >= 1");
  f.add("on_nonfinite", &on_nonfinite,
        "where a loss or gradient is not finite: stop; skip, the step makes no update; rollback to "
        "the newest checkpoint, and on with other draws");
}

void TrainConfig::validate() const {
  require(batch >= 1, "train.batch", int64_t{batch}, "use 1 or more");
  require(micro_batch >= 0 && micro_batch <= batch, "train.micro_batch", int64_t{micro_batch},
          "use 0, or 1 to train.batch");
  require(label_dropout >= 0 && label_dropout <= 1, "train.label_dropout", label_dropout,
          "use a share in [0, 1]");
  require(max_steps >= 1, "train.max_steps", max_steps, "use 1 or more");
  require(seed >= 0, "train.seed", seed, "use 0 or more");
  require(is_one_of(precision, {"fp32", "tf32", "bf16"}), "train.precision", precision,
          "use fp32, tf32 or bf16");
  require(math == "exact" || math == "fast", "train.math", math, "use exact or fast");
  require(log_every >= 1, "train.log_every", int64_t{log_every}, "use 1 or more");
  require(save_every >= 1, "train.save_every", int64_t{save_every}, "use 1 or more");
  require(eval_every >= 0, "train.eval_every", int64_t{eval_every}, "use 0 or more");
  require(eval_images >= 0, "train.eval_images", int64_t{eval_images}, "use 0 or more");
  require(sample_every >= 0, "train.sample_every", int64_t{sample_every},
          "use 1 or more, or 0 for none");
  require(trajectory >= 0 && trajectory <= 64, "train.trajectory", int64_t{trajectory},
          "use 0 to 64");
  require(keep >= 1, "train.keep", int64_t{keep}, "use 1 or more");
  require(is_one_of(on_nonfinite, {"stop", "skip", "rollback"}), "train.on_nonfinite", on_nonfinite,
          "use stop, skip or rollback");
}

}  // namespace ito::sde
