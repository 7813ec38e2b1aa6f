// Training of a time-dependent classifier p_t(y | x) (Song et al. 2021, appendix I.1; spec 4).
#pragma once

#include <memory>
#include <span>

#include "sde/training/network_trainer.h"

namespace ito::sde {

/// The loss is the mean of -log p_t(y | x_t), with x_t = alpha(t) x_0 + sigma(t) z and t uniform on
/// [1e-5, T): every noise level counts alike. The network is told sigma(t). As in Trainer, times
/// and noise are functions of (seed, step, position in the batch).
class ClassifierTrainer : public NetworkTrainer {
 public:
  /// Takes over a network that returns logits [N, classes]. Throws UserError on values that do not
  /// fit together.
  ClassifierTrainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
                    const OptimConfig& optim, const TrainConfig& train, int64_t classes);

  /// One update on images [N, H, W, C] f32 in the SDE's data range, of the given classes. Counts
  /// the noisy images that were classified right in loss_window().
  /// Throws NonfiniteError as NetworkTrainer::update, ValueError for a class out of range.
  StepReport step(const Tensor& images, std::span<const int64_t> classes);

  /// Number of images that the averaged weights classify right at time t; `first` is the position
  /// of the first one in its data set, which chooses the noise.
  int64_t count_correct(const Tensor& images, std::span<const int64_t> classes, double t,
                        int64_t first) const;

 private:
  std::shared_ptr<const Sde> sde_;
  int64_t classes_;
};

}  // namespace ito::sde
