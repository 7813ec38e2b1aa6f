// A trained network together with what is needed to sample it: the file alone is enough.
#pragma once

#include <filesystem>
#include <span>

#include "engine/core/settings.h"
#include "models/load.h"
#include "sde/config.h"
#include "sde/score.h"
#include "sde/training/config.h"

namespace ito::sde {

struct ScoreModel {
  std::shared_ptr<nn::Network> network;
  std::shared_ptr<const Sde> sde;
  Labelling labelling;
  ObjectiveConfig objective;
  Shape sample_shape;  ///< [H, W, C]
  Settings settings;   ///< the whole configuration that the file carries
  std::filesystem::path file;
  Device device = kCpu;  ///< of the network

  /// How many classes the network may be told; 0: none.
  int classes() const { return network->classes(); }
  /// The score of the network, evaluated without dropout; of one with classes, s(x): told none.
  ScoreFn score() const;
  /// The score of samples of given classes, one for each sample of the batch, by classifier-free
  /// guidance with weight w >= 0 (Ho and Salimans 2022, eq. 6): (1 + w) s(x, y) - w s(x); 0: s(x,
  /// y) alone, which costs half as much. Throws ValueError for a class outside [0, classes()).
  ///
  ///   const std::vector<int64_t> samples{0, 1, 2}, digits{3, 3, 7};
  ///   samplers::sample(model.score(digits, 2), *model.sde, prior, samples, config, mode, noise);
  ScoreFn score(std::span<const int64_t> classes, double weight = 0) const;
};

/// Loads model.safetensors or ema.safetensors; or, given a checkpoint or a run folder, the averaged
/// weights of the newest checkpoint that verifies; onto `device`. Throws UserError.
ScoreModel load_score_model(const std::filesystem::path& path, Device device = kCpu);

}  // namespace ito::sde
