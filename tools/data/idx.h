// MNIST's idx files: big-endian header (magic, sizes), then bytes; raw or gzip.
// Images: magic 2051, count, rows, columns. Labels: magic 2049, count.
#pragma once

#include <filesystem>

#include "tools/data/dataset.h"

namespace ito::data {

/// Reads images and labels. `path` is a folder that holds {train,t10k}-images-idx3-ubyte[.gz] and
/// {train,t10k}-labels-idx1-ubyte[.gz], or one images file (for either split) with the labels file
/// beside it under the name with "labels-idx1" in the place of "images-idx3".
/// `classes`: labels must be below it.
/// Throws UserError file_missing, file_truncated, file_corrupt, or file_mismatch if the two files
/// have different counts.
Dataset::Content read_idx(const std::filesystem::path& path, Split split, int classes);

}  // namespace ito::data
