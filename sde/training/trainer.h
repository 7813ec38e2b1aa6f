// The optimisation loop of score models, one step at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "sde/objectives/denoising.h"
#include "sde/objectives/diffusion_chain.h"
#include "sde/training/network_trainer.h"

namespace ito::sde {

/// Draws of one step, to replay a recorded one; undefined or empty members are drawn.
struct RecordedDraws {
  std::vector<double> t;   ///< times, one per image
  std::vector<int> index;  ///< noise level indices, for discrete objectives
  Tensor z;                ///< noise, like the images
};

/// Everything a step depends on is a function of (seed, step): times and noise are keyed by the
/// step and the position in the batch, so that stopping and resuming, the number of threads and
/// micro- batches' place do not matter.
class Trainer : public NetworkTrainer {
 public:
  /// Images of step `step`, [batch, H, W, C] f32, in the SDE's data range.
  using BatchFn = std::function<Tensor(int64_t step)>;

  /// Takes over the network (an nn::EnergyNetwork for objective cd). `levels` is N of the discrete
  /// objectives. Throws UserError on values that do not fit together.
  Trainer(std::unique_ptr<nn::Network> network, std::shared_ptr<const Sde> sde,
          const ObjectiveConfig& objective, const OptimConfig& optim, const TrainConfig& train,
          int levels);

  /// One update: zero gradients, loss, backward, clip, Adam, average (spec 5.1).
  /// Throws NonfiniteError as NetworkTrainer::update, before touching the weights.
  StepReport step(const Tensor& images, const RecordedDraws& recorded = {});
  /// The same for images of these classes, which the network is told but for a share of
  /// train.label_dropout (Ho and Salimans 2022, algorithm 1), drawn by step and position. Throws
  /// ValueError for a network without classes, or a class that it does not have.
  StepReport step(const Tensor& images, std::span<const int64_t> classes,
                  const RecordedDraws& recorded = {});

  /// Loss of the averaged weights on images, without dropout; draws are keyed by `key_step`.
  double evaluate(const Tensor& images, int64_t key_step, const RecordedDraws& recorded = {}) const;
  /// The same for images of these classes, all of which the network is told.
  double evaluate(const Tensor& images, std::span<const int64_t> classes, int64_t key_step,
                  const RecordedDraws& recorded = {}) const;

 private:
  /// Images [first, first + count) of the batch of a step.
  struct Part {
    Tensor x0;
    Tensor samples;  ///< positions in the batch
    NoiseStream draws;
    int64_t first;
  };
  /// `classes`: as the network is told them, or empty.
  LossesFn losses(const nn::Network& network, const Tensor& images,
                  const std::vector<int64_t>& classes, const NoiseStream& draws,
                  const RecordedDraws& recorded) const;
  std::vector<int64_t> checked(std::span<const int64_t> classes, const Tensor& images) const;
  std::vector<int64_t> with_dropout(std::vector<int64_t> classes) const;
  std::vector<NoiseLevel> draw_levels(const Part& part, const RecordedDraws& recorded) const;
  std::vector<int> draw_indices(const Part& part, const RecordedDraws& recorded) const;
  double draw_importance_time(const NoiseStream& draws, int64_t position) const;

  Tensor denoising(const NetworkFn& network, const Part& part, const RecordedDraws& recorded) const;
  Tensor score_matching(const NetworkFn& network, const Part& part,
                        const RecordedDraws& recorded) const;
  Tensor edm(const NetworkFn& network, const Part& part) const;
  Tensor variational(const NetworkFn& network, const Part& part,
                     const RecordedDraws& recorded) const;
  Tensor contrastive(const nn::Network& network, const nn::ForwardOptions& options,
                     const Part& part, const RecordedDraws& recorded) const;
  Reduction reduction() const {
    return objective_.reduce_mean ? Reduction::mean : Reduction::half_sum;
  }

  std::shared_ptr<const Sde> sde_;
  ObjectiveConfig objective_;
  int levels_;
  double label_dropout_;
  std::optional<DiffusionChain> chain_;  // of vlb and iddpm
};

}  // namespace ito::sde
