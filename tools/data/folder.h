// Folders of PNG and JPEG files.
#pragma once

#include <filesystem>

#include "tools/data/dataset.h"

namespace ito::data {

/// Reads a PNG file if the name ends in .png, else a JPEG file; throws what read_png and read_jpeg
/// throw.
Image read_picture(const std::filesystem::path& file);

/// How files become images of the configured size. All first become square or lose their border,
/// then are resized with an antialiasing filter (spec 5.2).
enum class Framing : uint8_t {
  square,  ///< the centre square, bicubic
  celeba,  ///< the centre 140 x 140 pixels, bilinear
  fit,     ///< shorter side resized, then the centre, bilinear
};

/// Images of `config.path`, in the order of their names, decoded when they are asked for. Every
/// file below the folder that ends in .png, .jpg or .jpeg (any case) is one. If the files lie in
/// two or more subfolders, each of these is a class.
/// Splits: a subfolder train, and one called test, val or valid; else every 20th image is held out
/// for Split::test if there are 200 or more, and both splits are all images if there are fewer.
/// config.image_size 0 takes the size of the first image, channels 0 its channels.
/// Throws UserError file_missing (no folder, no images), what read_png and read_jpeg throw, and
/// file_mismatch for an image too small for `framing`.
Dataset::Content open_folder(const DataConfig& config, Split split, Framing framing);

}  // namespace ito::data
