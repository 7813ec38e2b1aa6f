// Which reader a file or folder is for.
#pragma once

#include <filesystem>
#include <string>

namespace ito::data {

/// The name of the data set at `path`, by content where there is a mark: "folder" (pictures),
/// "mnist" (idx files), "cifar10" (data_batch_*.bin or test_batch*.bin), "zip", "npz", "packed",
/// "csv". Throws UserError: bad_value for an empty path, file_missing, file_unknown.
std::string recognise(const std::filesystem::path& path);

}  // namespace ito::data
