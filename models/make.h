// Networks by name.
#pragma once

#include "models/config.h"
#include "models/init.h"
#include "models/network.h"

namespace ito::nn {

/// The network that `model.name` asks for, with initial weights drawn by `init` (or from a seed).
/// Throws UserError(bad_value) for an unknown name or values that do not fit.
std::unique_ptr<Network> make_network(const ModelConfig& model, const ImageConfig& image,
                                      Init init);

/// The same network without its numbers: parameters on the device `meta`.
std::unique_ptr<Network> make_network_shapes(const ModelConfig& model, const ImageConfig& image);

}  // namespace ito::nn
