// Images in arrays of NumPy.
#pragma once

#include "tools/data/dataset.h"

namespace ito::data {

/// Reads the array `images` or else `arr_0`, uint8 [N, H, W, 1 or 3] or [N, H, W], of an .npz file,
/// with the integers `labels` or else `arr_1` [N] as classes if there are any. config.classes 0
/// takes one more than the largest label. Splits: those of split.h.
/// Throws UserError: what NpzFile throws; file_mismatch for other arrays.
Dataset::Content open_npz_images(const DataConfig& config, Split split);

}  // namespace ito::data
