// The FID Inception network from files in torchvision's names.
#pragma once

#include <filesystem>

#include "models/inception/inception.h"

namespace ito::tools {

/// The network of a .pth file of torch.save (a dictionary of tensors) or of a .safetensors file
/// with the names of torchvision's Inception3 without its auxiliary head, such as
/// pt_inception-2015-12-05-6726825d.pth of pytorch-fid. Each batch normalisation (eps 0.001) is
/// folded into its convolution in fp64: w gamma / sqrt(var + eps) and
/// beta - mean gamma / sqrt(var + eps). The widths follow from the file.
/// Throws UserError: what the readers throw, file_mismatch for other names or shapes.
nn::Inception import_inception(const std::filesystem::path& file);

}  // namespace ito::tools
