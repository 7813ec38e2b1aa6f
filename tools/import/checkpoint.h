// Checkpoints of the reference implementation (score_sde_pytorch) as weights of our networks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "models/network.h"
#include "sde/config.h"

namespace ito::tools {

/// Which of a checkpoint's weights: the exponential averages, with which the published samples were
/// drawn, or those of the last step.
enum class CheckpointWeights : uint8_t { ema, model };

/// What a checkpoint says besides its weights.
struct CheckpointInfo {
  int64_t step = 0;            ///< updates done
  int64_t tensors = 0;         ///< tensors copied
  std::vector<double> sigmas;  ///< noise levels, the largest first; empty if it has none
};

/// Fills `network` from a file {optimizer, model, ema, step} written by torch.save. Names in
/// `model` may all begin with "module.". The averages have no names: element j belongs to the j-th
/// trained parameter in the order of `model`, which is the order of registration; frozen parameters
/// are taken from `model`. Strict: every parameter must be there with its shape, and nothing else.
/// Throws UserError: what TorchFile throws, and file_mismatch naming the tensor and both shapes.
CheckpointInfo load_checkpoint(nn::Network& network, const std::filesystem::path& file,
                               CheckpointWeights weights);

/// Fills `network` from a safetensors file without a configuration: tensors in our names and
/// layouts, or in the reference's, with or without "module." and `sigmas`; those names count of
/// which the file has more. As strict as above.
CheckpointInfo load_plain_tensors(nn::Network& network, const std::filesystem::path& file);

/// Throws UserError(file_mismatch) if the noise levels of the checkpoint are not those of `sde`:
/// their number, and for the VE SDE the smallest and the largest.
void check_noise_levels(const CheckpointInfo& info, const sde::SdeConfig& sde,
                        const std::filesystem::path& file);

}  // namespace ito::tools
