#include "tools/data/pictures.h"

#include <algorithm>
#include <cctype>

#include "engine/core/check.h"
#include "tools/data/jpeg.h"
#include "tools/data/png.h"
#include "tools/data/resize.h"

namespace ito::data {

namespace {

std::string extension_of(const std::filesystem::path& file) {
  std::string text = file.extension().string();
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

[[noreturn]] void refuse_size(std::string_view subject, ImageShape has, int least) {
  fail(ErrorCode::file_mismatch, subject,
       "has " + std::to_string(has.height) + " x " + std::to_string(has.width) + " pixels",
       "give images of at least " + std::to_string(least) + " pixels a side");
}

}  // namespace

bool is_picture_name(const std::filesystem::path& name) {
  const std::string e = extension_of(name);
  return e == ".png" || e == ".jpg" || e == ".jpeg";
}

Image decode_picture(const std::vector<uint8_t>& file, const std::filesystem::path& name,
                     std::string_view subject) {
  return extension_of(name) == ".png" ? decode_png(file, subject) : decode_jpeg(file, subject);
}

Image read_picture(const std::filesystem::path& file) {
  return extension_of(file) == ".png" ? read_png(file) : read_jpeg(file);
}

Image framed(const Image& picture, ImageShape to, Framing framing, std::string_view subject) {
  constexpr int kCeleba = 140, kMostAspect = 32;
  const Image image = with_channels(picture, to.channels);
  const int height = image.shape.height, width = image.shape.width;
  const int side = std::min(height, width);
  switch (framing) {
    case Framing::celeba:
      if (side < kCeleba) refuse_size(subject, image.shape, kCeleba);
      return resized(centre_crop(image, kCeleba, kCeleba), to.height, to.width, Filter::bilinear);
    case Framing::fit: {
      if (std::max(height, width) / side > kMostAspect) {
        fail(ErrorCode::file_mismatch, subject,
             "has " + std::to_string(height) + " x " + std::to_string(width) + " pixels",
             "give images at most " + std::to_string(kMostAspect) + " times as long as wide");
      }
      const auto scaled = [&](int length) { return int(int64_t{length} * to.height / side); };
      return centre_crop(resized(image, scaled(height), scaled(width), Filter::bilinear), to.height,
                         to.width);
    }
    case Framing::square:
      break;
  }
  return resized(centre_crop(image, side, side), to.height, to.width, Filter::bicubic);
}

}  // namespace ito::data
