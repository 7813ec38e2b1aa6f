// What every training loop has: a network, the average of its weights, Adam's moments, the update.
#pragma once

#include <functional>
#include <memory>

#include "engine/random/noise.h"
#include "models/network.h"
#include "sde/sde.h"
#include "sde/training/arena.h"
#include "sde/training/config.h"

namespace ito::sde {

struct StepReport {
  double loss = 0;       ///< mean over the batch
  double grad_norm = 0;  ///< global L2 norm before clipping
  double lr = 0;         ///< of this update
};

/// Losses since the last line of metrics. Part of a checkpoint, so that a resumed run writes the
/// same lines.
struct LossWindow {
  double sum = 0;
  int64_t count = 0;
  int64_t correct = 0;  ///< images that a classifier has told right
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

/// The state of a training, and one update of it. What is learnt is up to the derived class.
class NetworkTrainer {
 public:
  int64_t steps_done() const { return steps_done_; }
  nn::Network& network() { return *network_; }
  nn::Network& ema_network() { return *ema_network_; }
  const Arena& arena() const { return arena_; }
  const Tensor& first_moment() const { return m_; }
  const Tensor& second_moment() const { return v_; }
  LossWindow& loss_window() { return loss_window_; }
  const LossWindow& loss_window() const { return loss_window_; }
  /// After a checkpoint was copied into the tensors above.
  void set_steps_done(int64_t steps) { steps_done_ = steps; }

 protected:
  NetworkTrainer(std::unique_ptr<nn::Network> network, const OptimConfig& optim,
                 const TrainConfig& train);
  ~NetworkTrainer() = default;
  NetworkTrainer(NetworkTrainer&&) = default;

  /// Losses [count] of the images [first, first + count) of a batch; options.samples are their
  /// positions.
  using LossesFn = std::function<Tensor(int64_t first, int64_t count, const nn::ForwardOptions&)>;
  /// One update from the mean loss: zero gradients, loss, backward, clip, Adam, average (spec 5.1).
  /// Throws UserError(not_finite) before touching the weights if the loss is not finite.
  StepReport update(int64_t batch, Device device, const LossesFn& losses);
  /// Mean loss without dropout and without gradients.
  double mean_loss(int64_t batch, Device device, const LossesFn& losses) const;

  /// Images [first, first + count) of a batch, sharing its memory.
  static Tensor rows(const Tensor& images, int64_t first, int64_t count);
  /// Time of the image at a position of the batch of step `step`, uniform on [1e-5, T).
  double draw_time(const Sde& sde, int64_t step, int64_t position) const;
  NoiseKey key(Purpose purpose, int64_t step) const;
  const nn::Network& averaged() const { return *ema_network_; }
  const nn::Network& trained() const { return *network_; }

 private:
  void over_micro_batches(int64_t batch, const std::function<void(int64_t, int64_t)>& run) const;
  double accumulate_gradients(int64_t batch, Device device, const LossesFn& losses);

  std::unique_ptr<nn::Network> network_, ema_network_;
  OptimConfig optim_;
  TrainConfig train_;
  Arena arena_;
  Tensor weights_, gradients_, m_, v_, ema_;
  int64_t steps_done_ = 0;
  LossWindow loss_window_;
};

}  // namespace ito::sde
