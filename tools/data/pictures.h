// Pictures in files: where they come from, and how they become images of one size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/data/image.h"

namespace ito::data {

/// PNG and JPEG files that are decoded when they are asked for. Members are called from any thread.
class PictureSource {
 public:
  virtual ~PictureSource() = default;
  virtual int64_t size() const = 0;
  /// What picture i is called: its file, or its archive and entry.
  virtual std::string name(int64_t i) const = 0;
  /// Picture i as its file has it. Throws UserError if that cannot be read.
  virtual Image read(int64_t i) const = 0;
};

/// Whether a name ends in .png, .jpg or .jpeg, in any case.
bool is_picture_name(const std::filesystem::path& name);
/// PNG if the name ends in .png, else JPEG; throws what decode_png and decode_jpeg throw.
Image decode_picture(const std::vector<uint8_t>& file, const std::filesystem::path& name,
                     std::string_view subject);
/// Reads a PNG file if the name ends in .png, else a JPEG file; throws what read_png and read_jpeg
/// throw.
Image read_picture(const std::filesystem::path& file);

/// How pictures become images of the configured size. All first become square or lose their border,
/// then are resized with an antialiasing filter (spec 5.2).
enum class Framing : uint8_t {
  square,  ///< the centre square, bicubic
  celeba,  ///< the centre 140 x 140 pixels, bilinear
  fit,     ///< shorter side resized, then the centre, bilinear
};

/// The picture as an image of shape `to`. Throws UserError(file_mismatch) naming `subject` for one
/// that is too small for the framing, or too long to be fitted.
Image framed(const Image& picture, ImageShape to, Framing framing, std::string_view subject);

}  // namespace ito::data
