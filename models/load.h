// Parameters in files.
#pragma once

#include <filesystem>

#include "engine/core/settings.h"
#include "engine/io/safetensors.h"
#include "models/config.h"
#include "models/network.h"

namespace ito::nn {

/// Name and value of every parameter, frozen ones included.
std::vector<std::pair<std::string, Tensor>> named_parameters(Network& network);

/// Copies the file's tensors into the network. Strict: every parameter must be there with its
/// shape, and nothing else. Throws UserError(file_mismatch) naming file, parameter and both shapes.
void load_parameters(Network& network, const SafetensorsFile& tensors,
                     const std::filesystem::path& file);

/// The same from tensors in the reference implementation's names and layouts (f32 or f64); further
/// tensors are ignored. `prefix` stands before every name in the file.
void load_reference_parameters(Network& network, const SafetensorsFile& tensors,
                               const std::filesystem::path& file, const std::string& prefix = "");

/// Configuration that a file of ours carries. Throws UserError(file_mismatch) if it has none.
Settings settings_of(const SafetensorsFile& tensors, const std::filesystem::path& file);

/// What a network file is made of: the structs that describe it, filled from its configuration.
struct NetworkConfig {
  ModelConfig model;
  ImageConfig image;
};
NetworkConfig network_config(const Settings& settings, std::string_view subject);

}  // namespace ito::nn
