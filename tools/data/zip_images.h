// ZIP archives of PNG and JPEG files, with the labels file of EDM's data sets.
#pragma once

#include "tools/data/dataset.h"

namespace ito::data {

/// Images of the archive `config.path`, in the order of their names, decoded when they are asked
/// for. Every entry whose name ends in .png, .jpg or .jpeg (any case) is one. Classes are those of
/// an entry dataset.json (labels_file.h), which names entries; folders in the archive mean none,
/// since large sets are cut into folders without a meaning.
/// Splits: entries below train/ and below test/, val/ or valid/; without both, those of split.h (of
/// the entries below train/, if there are any).
/// Throws UserError: what ZipFile, decode_picture and labels_of throw; file_missing for an archive
/// without pictures.
Dataset::Content open_zip_images(const DataConfig& config, Split split, Framing framing);

}  // namespace ito::data
