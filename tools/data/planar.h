// CIFAR-10's binary form, for any square size: records of 1 label byte, then a red, a green and a
// blue plane, each row by row. 32 x 32 gives records of 3073 bytes.
#pragma once

#include <filesystem>

#include "tools/data/dataset.h"

namespace ito::data {

/// Reads records of images of `size` x `size`. `path` is one file (for either split), or a folder
/// of which all files data_batch_*.bin (train) or test_batch*.bin (test) are read in the order of
/// their names. `classes`: labels must be below it. The result has interleaved channels.
/// Throws UserError file_missing, file_truncated (the last record is not whole) or file_corrupt.
Dataset::Content read_planar(const std::filesystem::path& path, Split split, int size, int classes);

}  // namespace ito::data
