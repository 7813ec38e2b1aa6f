// The optimisation loop, one step at a time.
#pragma once

#include <functional>
#include <memory>

#include "models/network.h"
#include "sde/objectives/denoising.h"
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
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

/// Draws of one step, to replay a recorded one; undefined or empty members are drawn.
struct RecordedDraws {
  std::vector<double> t;   ///< times, one per image
  std::vector<int> index;  ///< noise level indices, for discrete objectives
  Tensor z;                ///< noise, like the images
};

/// Everything a step depends on is a function of (seed, step): times and noise are keyed by the
/// step and the position in the batch, so that stopping and resuming, the number of threads and
/// micro- batches' place do not matter.
class Trainer {
 public:
  /// Images of step `step`, [batch, H, W, C] f32, in the SDE's data range.
  using BatchFn = std::function<Tensor(int64_t step)>;

  /// Takes over the network. `levels` is N of the discrete objectives. Throws UserError on values
  /// that do not fit together.
  Trainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
          const ObjectiveConfig& objective, const OptimConfig& optim, const TrainConfig& train,
          int levels);

  /// One update: zero gradients, loss, backward, clip, Adam, average (spec 5.1).
  /// Throws UserError(not_finite) before touching the weights if the loss is not finite.
  StepReport step(const Tensor& images, const RecordedDraws& recorded = {});

  /// Loss of the averaged weights on images, without dropout; draws are keyed by `key_step`.
  double evaluate(const Tensor& images, int64_t key_step, const RecordedDraws& recorded = {}) const;

  int64_t steps_done() const { return steps_done_; }
  nn::Network& network() { return *network_; }
  nn::Network& ema_network() { return *ema_network_; }
  const Arena& arena() const { return arena_; }
  const Tensor& first_moment() const { return m_; }
  const Tensor& second_moment() const { return v_; }
  LossWindow& loss_window() { return loss_window_; }
  /// After a checkpoint was copied into the tensors above.
  void set_steps_done(int64_t steps) { steps_done_ = steps; }

 private:
  std::vector<NoiseLevel> draw_levels(int64_t step, int64_t first, int64_t count,
                                      const RecordedDraws& recorded) const;
  Tensor losses(const nn::Network& network, const Tensor& images, int64_t step, int64_t first,
                const nn::ForwardOptions& options, const RecordedDraws& recorded) const;
  double accumulate_gradients(const Tensor& images, const RecordedDraws& recorded);

  std::unique_ptr<nn::Network> network_, ema_network_;
  std::shared_ptr<const Sde> sde_;
  ObjectiveConfig objective_;
  OptimConfig optim_;
  TrainConfig train_;
  int levels_;
  Arena arena_;
  Tensor weights_, gradients_, m_, v_, ema_;
  int64_t steps_done_ = 0;
  LossWindow loss_window_;
};

}  // namespace ito::sde
