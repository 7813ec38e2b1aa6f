// Folders of PNG and JPEG files.
#pragma once

#include "tools/data/dataset.h"

namespace ito::data {

/// Images of `config.path`, in the order of their names, decoded when they are asked for. Every
/// file below the folder that ends in .png, .jpg or .jpeg (any case) is one. Classes are
/// those of a file dataset.json in the folder (labels_file.h); without it, if the files lie in two
/// or more subfolders, each of these is a class.
/// Splits: a subfolder train and one called test, val or valid; without both, those of split.h (of
/// the files below train, if that exists).
/// config.image_size 0 takes the size of the first image, channels 0 its channels.
/// Throws UserError file_missing (no folder, no images) and what read_picture and labels_of throw.
Dataset::Content open_folder(const DataConfig& config, Split split, Framing framing);

}  // namespace ito::data
