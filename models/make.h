// Networks by name.
#pragma once

#include "models/config.h"
#include "models/network.h"

namespace ito::nn {

/// The network that `model.name` asks for, with initial weights drawn from `seed`.
/// Throws UserError(bad_value) for an unknown name or values that do not fit.
std::unique_ptr<Network> make_network(const ModelConfig& model, const ImageConfig& image,
                                      uint64_t seed);

}  // namespace ito::nn
