// Inception networks in files of ours (ito convert --inception makes them).
#pragma once

#include <filesystem>
#include <memory>

#include "models/inception/inception.h"

namespace ito::nn {

/// Reads a .safetensors file that save_inception wrote, onto `device`. Throws UserError: what
/// read_safetensors throws, file_mismatch for a file of another kind or of other shapes.
std::unique_ptr<Inception> load_inception(const std::filesystem::path& file, Device device = kCpu);

/// Throws UserError(write_failed).
void save_inception(const std::filesystem::path& file, Inception& network);

}  // namespace ito::nn
