// How a network is trained: the sections objective, optim and train of a configuration.
#pragma once

#include <string>

#include "engine/core/settings.h"
#include "kernels/common/segment.h"

namespace ito::sde {

/// What is minimised. The kinds (sde/objectives/ has the formulas):
/// - dsm: denoising score matching at random times; smld, ddpm: at random discrete levels;
///   dsm_single: at one noise level, unweighted;
/// - ism, ssm, ssm_vr, fdsm: score matching with the exact trace, sliced, sliced with reduced
///   variance, by finite differences; at random times, levels (continuous = false) or one level;
/// - edm: denoising in EDM's form, for VE;
/// - vlb, iddpm: the variational bound of DDPM; the hybrid loss with learned variances;
/// - cd: contrastive divergence of an energy, for VE;
/// - classifier: cross-entropy of noisy images.
struct ObjectiveConfig {
  std::string kind = "dsm";
  bool continuous = true;    ///< labels are times; false: indices of noise levels
  bool reduce_mean = false;  ///< mean over pixels; false: half their sum
  bool likelihood_weighting = false;
  bool importance_sampling = false;  ///< dsm with likelihood_weighting: draw times by the weight
  double sigma = 0;                  ///< the only noise level, as sigma(t); 0: all levels
  std::string projection = "rademacher";  ///< rademacher, gaussian, sphere or unit_sphere
  int particles = 1;                      ///< directions per image
  double difference_step = 0.01;          ///< fdsm: in units of the noise level
  double sigma_data = 0.5;                ///< edm: standard deviation of the data
  double log_sigma_mean = -1.2, log_sigma_std = 1.2;  ///< edm: of the noise levels drawn
  int bits = 8;                                       ///< vlb, iddpm: of the data
  std::string reverse_variance = "posterior";         ///< vlb: posterior, beta or learned
  int langevin_steps = 10;                            ///< cd: of the chain from each image
  double langevin_step = 0.1;                         ///< cd: in units of the level's variance

  void fields(Fields& f);
  void validate() const;  ///< throws UserError naming the key
  bool classifies() const { return kind == "classifier"; }
  bool matches_scores() const;  ///< ism, ssm, ssm_vr, fdsm
  /// The network has twice the output channels.
  bool learns_variance() const {
    return kind == "iddpm" || (kind == "vlb" && reverse_variance == "learned");
  }

 private:
  void validate_combinations() const;
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
  /// Share of the starting weights in the average after `updates` updates: the product of their
  /// decays, or 0 where it is below 1e-9.
  double starting_share(int64_t updates) const;
};

struct TrainConfig {
  int batch = 128;                      ///< images per step
  int micro_batch = 0;                  ///< images per forward and backward pass; 0: batch
  bool gradient_checkpointing = false;  ///< keep the inputs of blocks alone: the same results from
                                        ///< less memory, for a third more time
  double label_dropout = 0.1;  ///< share of images whose class a network that takes classes
                               ///< is not told (classifier-free guidance)
  int64_t max_steps = 1300001;
  int64_t seed = 42;  ///< of weights, times, noise, dropout and data order
  std::string precision = "fp32";
  std::string math = "exact";
  int log_every = 50;        ///< steps per line of metrics
  int save_every = 10000;    ///< steps per checkpoint
  int sample_every = 50000;  ///< steps per grid of samples, 0: none; one at step 0, too. Of a
                             ///< classifier: steps per report of its accuracy
  bool early_grids = true;   ///< grids before sample_every, where they are cheap (GridSchedule)
  int trajectory = 4;        ///< samples whose way from noise the end of a run shows, where that
                             ///< is cheap; 0: none
  int eval_every = 1000;     ///< steps per evaluation on held-out images, 0: none
  int eval_images = 512;     ///< how many of them
  int keep = 3;              ///< checkpoints kept
  std::string on_nonfinite = "stop";  ///< where a loss or gradient is not finite: stop, skip (the
                                      ///< step makes no update) or rollback (to the newest
                                      ///< checkpoint, and on with other draws)

  void fields(Fields& f);
  void validate() const;
  Activations activations() const {
    return gradient_checkpointing ? Activations::recompute : Activations::keep;
  }
};

}  // namespace ito::sde
