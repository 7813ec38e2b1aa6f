// How a network is trained: the sections objective, optim and train of a configuration.
#pragma once

#include <string>

#include "engine/core/settings.h"
#include "kernels/common/segment.h"

namespace ito::sde {

struct ObjectiveConfig {
  std::string kind = "dsm";  ///< dsm, smld, ddpm; classifier: cross-entropy of noisy images
  bool continuous = true;    ///< labels are times; false: indices of noise levels
  bool reduce_mean = false;  ///< mean over pixels; false: half their sum
  bool likelihood_weighting = false;

  void fields(Fields& f);
  void validate() const;  ///< throws UserError naming the key
  bool classifies() const { return kind == "classifier"; }
};

struct OptimConfig {
  double lr = 2e-4;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  int warmup = 5000;        ///< steps over which the rate rises to lr; 0: none
  double grad_clip = 1;     ///< limit of the global gradient norm; negative: off
  double ema_rate = 0.999;  ///< decay of the average of the weights
  bool ema_warmup = true;   ///< decay is min(ema_rate, (1 + n) / (10 + n)) at update n

  void fields(Fields& f);
  void validate() const;
  double learning_rate(int64_t step) const;  ///< of the update after `step` updates
  double ema_decay(int64_t update) const;    ///< of update 1, 2, ...
};

struct TrainConfig {
  int batch = 128;                      ///< images per step
  int micro_batch = 0;                  ///< images per forward and backward pass; 0: batch
  bool gradient_checkpointing = false;  ///< keep the inputs of blocks alone: the same results from
                                        ///< less memory, for a third more time
  int64_t max_steps = 1300001;
  int64_t seed = 42;  ///< of weights, times, noise, dropout and data order
  std::string precision = "fp32";
  std::string math = "exact";
  int log_every = 50;        ///< steps per line of metrics
  int save_every = 10000;    ///< steps per checkpoint
  int sample_every = 50000;  ///< steps per grid of samples, 0: none; one at step 0, too. Of a
                             ///< classifier: steps per report of its accuracy
  int keep = 3;              ///< checkpoints kept

  void fields(Fields& f);
  void validate() const;
  Activations activations() const {
    return gradient_checkpointing ? Activations::recompute : Activations::keep;
  }
};

}  // namespace ito::sde
