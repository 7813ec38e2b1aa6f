#include "sde/training/config.h"

#include <algorithm>

#include "engine/core/check.h"

namespace ito::sde {
namespace {

void require(bool good, const char* key, const SettingValue& value, const char* fix) {
  if (!good) fail(ErrorCode::bad_value, key, "is " + to_string(value), fix);
}

}  // namespace

void ObjectiveConfig::fields(Fields& f) {
  f.section("objective");
  f.add("kind", &kind, "dsm, smld, ddpm or classifier");
  f.add("continuous", &continuous,
        "train on continuous times (dsm); false: on noise level indices");
  f.add("reduce_mean", &reduce_mean, "mean over pixels instead of half their sum");
  f.add("likelihood_weighting", &likelihood_weighting, "weight g(t)^2 instead of std(t)^2");
}

void ObjectiveConfig::validate() const {
  require(kind == "dsm" || kind == "smld" || kind == "ddpm" || classifies(), "objective.kind", kind,
          "use dsm, smld, ddpm or classifier");
  if ((kind == "dsm" || classifies()) != continuous) {
    fail(ErrorCode::bad_combination, "objective.kind",
         kind + " with continuous = " + (continuous ? "true" : "false"),
         "use dsm or classifier with continuous = true, smld or ddpm with continuous = false");
  }
  if (likelihood_weighting && kind != "dsm") {
    fail(ErrorCode::bad_combination, "objective.likelihood_weighting",
         "is true with objective.kind = \"" + kind + "\"",
         "set objective.kind = \"dsm\" and continuous = true");
  }
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

void TrainConfig::fields(Fields& f) {
  f.section("train");
  f.add("batch", &batch, "images per step, >= 1");
  f.add("micro_batch", &micro_batch, "images per forward and backward pass; 0: batch");
  f.add("gradient_checkpointing", &gradient_checkpointing,
        "compute each block again in the backward pass: the same results, less memory, more time");
  f.add("max_steps", &max_steps, "steps to train for, >= 1");
  f.add("seed", &seed, "seed of weights, times, noise, dropout and data order, >= 0");
  f.add("precision", &precision, "fp32");
  f.add("math", &math,
        "exact: fixed algorithms, results independent of batch and threads; fast: vendor libraries "
        "and algorithms chosen by timing, too");
  f.add("log_every", &log_every, "steps per line of metrics, >= 1");
  f.add("save_every", &save_every, "steps per checkpoint, >= 1");
  f.add("sample_every", &sample_every,
        "steps per grid of samples, or report of a classifier's accuracy; 0: none");
  f.add("keep", &keep, "checkpoints kept, >= 1");
}

void TrainConfig::validate() const {
  require(batch >= 1, "train.batch", int64_t{batch}, "use 1 or more");
  require(micro_batch >= 0 && micro_batch <= batch, "train.micro_batch", int64_t{micro_batch},
          "use 0, or 1 to train.batch");
  require(max_steps >= 1, "train.max_steps", max_steps, "use 1 or more");
  require(seed >= 0, "train.seed", seed, "use 0 or more");
  require(precision == "fp32", "train.precision", precision, "use fp32: the CPU trains in it");
  require(math == "exact" || math == "fast", "train.math", math, "use exact or fast");
  require(log_every >= 1, "train.log_every", int64_t{log_every}, "use 1 or more");
  require(save_every >= 1, "train.save_every", int64_t{save_every}, "use 1 or more");
  require(sample_every >= 0, "train.sample_every", int64_t{sample_every},
          "use 1 or more, or 0 for none");
  require(keep >= 1, "train.keep", int64_t{keep}, "use 1 or more");
}

}  // namespace ito::sde
