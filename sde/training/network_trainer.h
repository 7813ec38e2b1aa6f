// What every training loop has: a network, the average of its weights, Adam's moments, the update.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/core/check.h"
#include "engine/random/noise.h"
#include "models/network.h"
#include "sde/sde.h"
#include "sde/training/bf16_copy.h"
#include "sde/training/config.h"

namespace ito::sde {

struct StepReport {
  double loss = 0;        ///< mean over the batch
  double grad_norm = 0;   ///< global L2 norm before clipping; 0 for a loss that is not finite
  double lr = 0;          ///< of this update
  std::string nonfinite;  ///< what was not finite, so that the step made no update; else empty
};

/// Losses since the last line of metrics. Part of a checkpoint, so that a resumed run writes the
/// same lines.
struct LossWindow {
  double sum = 0;
  int64_t count = 0;
  int64_t correct = 0;  ///< images that a classifier has told right
  int64_t skipped = 0;  ///< steps without an update, which have no loss here
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

/// How far a training has come. Part of a checkpoint.
struct TrainingProgress {
  int64_t steps = 0;             ///< done, those without an update included
  int64_t skipped = 0;           ///< of these, without an update (train.on_nonfinite = "skip")
  int64_t skipped_in_a_row = 0;  ///< up to now
  int64_t rollbacks = 0;         ///< train.on_nonfinite = "rollback"
  LossWindow window = {};
  int64_t updates() const { return steps - skipped; }
};

/// Where the draws of a step come from. They are functions of (seed, step, position in the batch),
/// so there is no generator state to save.
struct NoiseStream {
  uint64_t seed = 0;
  int64_t step = 0;
  NoiseKey key(Purpose purpose) const { return {seed, purpose, static_cast<uint32_t>(step)}; }
};

/// UserError(not_finite) of a training, with the tensor and the step.
class NonfiniteError : public UserError {
 public:
  /// `tensor`: "the loss", "parameter input.weight", "the gradient of input.weight", ...
  NonfiniteError(const std::string& tensor, int64_t step);
  const std::string& tensor() const { return tensor_; }
  int64_t step() const { return step_; }

 private:
  std::string tensor_;
  int64_t step_;
};

/// The state of a training, and one update of it. What is learnt is up to the derived class.
class NetworkTrainer {
 public:
  int64_t steps_done() const { return progress_.steps; }
  nn::Network& network() { return *network_; }
  nn::Network& ema_network() { return *ema_network_; }
  const Arena& arena() const { return arena_; }
  const Tensor& first_moment() const { return m_; }
  const Tensor& second_moment() const { return v_; }
  LossWindow& loss_window() { return progress_.window; }
  const LossWindow& loss_window() const { return progress_.window; }
  const TrainingProgress& progress() const { return progress_; }
  /// After a checkpoint was copied into the tensors above.
  void set_progress(const TrainingProgress& progress) { progress_ = progress; }

  /// Of the next step. Rollback r draws everything from then on with another seed,
  /// train.seed + r 0x9e3779b97f4a7c15 modulo 2^64.
  NoiseStream stream() const;
  /// The first parameter, average or moment with an element that is not finite, in the network's
  /// order; empty if there is none. Waits for the device.
  std::string nonfinite_state() const;

 protected:
  NetworkTrainer(std::unique_ptr<nn::Network> network, const OptimConfig& optim,
                 const TrainConfig& train);
  ~NetworkTrainer() = default;
  NetworkTrainer(NetworkTrainer&&) = default;

  /// Losses [count] of the images [first, first + count) of a batch; options.samples are their
  /// positions.
  using LossesFn = std::function<Tensor(int64_t first, int64_t count, const nn::ForwardOptions&)>;
  /// One update from the mean loss: loss, gradients, clip, Adam, average (spec 5.1).
  /// If the loss or a gradient is not finite, weights, moments and averages stay as they are: with
  /// train.on_nonfinite = "skip" the step counts as done (the learning rate, Adam's bias correction
  /// and the average go by updates, not by steps), else and after more than kMostSkipped of these
  /// in a row NonfiniteError is thrown.
  StepReport update(int64_t batch, Device device, const LossesFn& losses);
  static constexpr int64_t kMostSkipped = 100;
  /// Mean loss without dropout and without gradients.
  double mean_loss(int64_t batch, Device device, const LossesFn& losses) const;

  /// Images [first, first + count) of a batch, sharing its memory.
  static Tensor rows(const Tensor& images, int64_t first, int64_t count);
  /// Time of the image at a position of a batch, uniform on [1e-5, T).
  static double draw_time(const Sde& sde, const NoiseStream& stream, int64_t position);
  /// The same draws whatever the training has been through, for evaluations.
  NoiseStream fixed_stream(int64_t step) const {
    return {static_cast<uint64_t>(train_.seed), step};
  }
  const nn::Network& averaged() const { return *ema_network_; }
  /// What passes of the training run on.
  const nn::Network& trained() const { return copy_ ? copy_->network() : *network_; }

 private:
  void over_micro_batches(int64_t batch, const std::function<void(int64_t, int64_t)>& run) const;
  /// Sums the gradients of the micro-batches and returns the mean loss.
  double accumulate_gradients(int64_t batch, Device device, const LossesFn& losses);
  /// The first parameter that is not finite, else the loss itself.
  std::string cause_of_bad_loss() const;
  /// The first gradient that is not finite; in f64 their squares may be too large alone.
  std::string cause_of_bad_norm() const;
  /// Clip, Adam, average; returns the norm of the gradients. If that is not finite, nothing
  /// changes.
  double apply_gradients(double lr);
  void pass_over(const std::string& nonfinite);

  std::unique_ptr<nn::Network> network_, ema_network_;
  OptimConfig optim_;
  TrainConfig train_;
  Arena arena_;
  Tensor weights_, gradients_, m_, v_, ema_;
  Tensors leaves_;                // parameters that passes of the training run on
  std::optional<Bf16Copy> copy_;  // of weights_, for train.precision = "bf16"
  TrainingProgress progress_;
};

}  // namespace ito::sde
