// A trained network together with what is needed to sample it: the file alone is enough.
#pragma once

#include <filesystem>

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

  /// The score of the network, evaluated without dropout.
  ScoreFn score() const;
};

/// Loads model.safetensors or ema.safetensors; or, given a checkpoint or a run folder, the averaged
/// weights of the newest checkpoint that verifies; onto `device`. Throws UserError.
ScoreModel load_score_model(const std::filesystem::path& path, Device device = kCpu);

}  // namespace ito::sde
