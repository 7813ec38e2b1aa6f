// A network as training left it: the file alone is enough to build it again.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/core/settings.h"
#include "models/load.h"
#include "sde/config.h"
#include "sde/training/config.h"

namespace ito::sde {

/// Network, and what its file says of it.
struct TrainedNetwork {
  std::shared_ptr<nn::Network> network;
  nn::NetworkConfig config;
  SdeConfig sde;
  ObjectiveConfig objective;
  Settings settings;  ///< the whole configuration that the file carries
  std::filesystem::path file;
};

/// Loads model.safetensors or ema.safetensors; or, given a checkpoint or a run folder, the averaged
/// weights of the newest checkpoint that verifies; onto `device`. The network keeps packed weights
/// (nn::keep_packed_weights). Throws UserError.
TrainedNetwork load_trained_network(const std::filesystem::path& path, Device device = kCpu);

/// A trained classifier p_t(y | x), to guide samplers (models/classifier/log_likelihood.h).
struct Classifier {
  std::shared_ptr<nn::Network> network;  ///< labels: sigma(t) of `sde`; returns logits [N, classes]
  std::shared_ptr<const Sde> sde;        ///< a guided model must have the same one
  SdeConfig sde_config;                  ///< what `sde` was made from
  int64_t classes = 0;
  Shape sample_shape;  ///< [H, W, C]
  std::filesystem::path file;
};

/// The same for a classifier; a network of another kind is UserError(bad_combination).
Classifier load_classifier(const std::filesystem::path& path, Device device = kCpu);

}  // namespace ito::sde
