// Folders as diffusers writes them: config.json and diffusion_pytorch_model.safetensors or .bin.
//
// Two kinds of UNet2DModel are networks of ours. Blocks named DownBlock2D, AttnDownBlock2D,
// UpBlock2D, AttnUpBlock2D make a DDPM (Ho et al. 2020); SkipDownBlock2D, AttnSkipDownBlock2D,
// SkipUpBlock2D, AttnSkipUpBlock2D make an NCSN++ (Song et al. 2021) with input and output skips,
// FIR resampling and Fourier features.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "models/network.h"
#include "tools/import/diffusers_config.h"
#include "tools/import/tensor_source.h"

namespace ito::tools {

/// Such a folder; the network may lie in its subfolder `unet`.
class DiffusersFolder {
 public:
  /// Reads config.json and the names of the tensors. Throws UserError: file_missing naming what
  /// the folder lacks, what the readers of the parts throw, and file_mismatch or file_corrupt if
  /// the file holds less than config.json claims, so that no network is made after a false claim.
  explicit DiffusersFolder(const std::filesystem::path& folder);

  const std::filesystem::path& weights() const { return source_.path; }
  /// Settings of the sections model and data, from config.json.
  const Settings& model() const { return model_; }
  /// Settings of the sections sde, objective and sampling, from scheduler_config.json in the
  /// folder or in its subfolder `scheduler`; none without that file.
  std::optional<Settings> sde() const;

  /// Fills a network of these settings. Values are copied bit by bit; where diffusers puts the
  /// cosines of the time embedding before the sines, the columns of the first linear map change
  /// places. Returns the number of tensors. Throws UserError(file_mismatch) as fill_network does.
  int64_t load(nn::Network& network) const;

 private:
  void check_size() const;

  std::filesystem::path folder_;
  JsonObject config_;
  Settings model_;
  TensorSource source_;
};

/// The name of a parameter of a U-Net with `levels` resolutions in such a file. Attention has the
/// names of newer files: to_q, to_k, to_v, to_out.0.
std::string diffusers_name(std::string_view ours, int levels);

}  // namespace ito::tools
