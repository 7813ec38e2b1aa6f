#include "tools/data/png.h"

#include <png.h>

#include <string>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

constexpr uint64_t kMaxPixels = uint64_t(1) << 26;
// Eight pixels of one bit lie in a byte, and deflate makes at most 1032 bytes of one.
constexpr uint64_t kMostPixelsPerByte = 8 * 1032;

/// libpng's description of an image; frees what libpng attached to it.
struct Control {
  png_image image = {};
  Control() { image.version = PNG_IMAGE_VERSION; }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control() { png_image_free(&image); }
};

}  // namespace

std::vector<uint8_t> encode_png(std::span<const uint8_t> bytes, ImageShape shape) {
  ITO_CHECK(shape.height > 0 && shape.width > 0 && (shape.channels == 1 || shape.channels == 3) &&
                bytes.size() == shape.numel(),
            ValueError, "a PNG image is [height, width, 1 or 3] bytes", kv("height", shape.height),
            kv("width", shape.width), kv("channels", shape.channels), kv("bytes", bytes.size()));
  Control control;
  control.image.width = png_uint_32(shape.width);
  control.image.height = png_uint_32(shape.height);
  control.image.format = shape.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  const auto write = [&](void* memory, png_alloc_size_t& size) {
    constexpr int kBytesAsTheyAre = 0, kRowsWithoutGaps = 0;
    ITO_CHECK(png_image_write_to_memory(&control.image, memory, &size, kBytesAsTheyAre,
                                        bytes.data(), kRowsWithoutGaps, nullptr) != 0,
              InternalError, "libpng must encode", kv("message", control.image.message));
  };
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(control.image);
  std::vector<uint8_t> png(size);
  write(png.data(), size);
  png.resize(size);
  return png;
}

void write_png(const std::filesystem::path& path, std::span<const uint8_t> bytes,
               ImageShape shape) {
  write_file_atomically(path, encode_png(bytes, shape));
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_png(path, image.bytes, image.shape);
}

Image decode_png(std::span<const uint8_t> file, std::string_view subject) {
  Control control;
  const auto check = [&](int done) {
    if (done != 0) return;
    fail(ErrorCode::file_corrupt, subject, std::string("is no valid PNG: ") + control.image.message,
         "give another PNG file");
  };
  check(png_image_begin_read_from_memory(&control.image, file.data(), file.size()));
  const uint64_t pixels = uint64_t(control.image.width) * control.image.height;
  const auto size = [&] {
    return std::to_string(control.image.width) + " x " + std::to_string(control.image.height) +
           " pixels";
  };
  if (pixels > kMaxPixels) {
    fail(ErrorCode::file_mismatch, subject, "has " + size(),
         "give at most " + std::to_string(kMaxPixels) + " pixels");
  }
  if (pixels / kMostPixelsPerByte > file.size()) {
    fail(ErrorCode::file_corrupt, subject,
         "is no valid PNG: claims " + size() + " in " + std::to_string(file.size()) + " bytes",
         "give another PNG file");
  }
  const bool grey = (control.image.format & PNG_FORMAT_FLAG_COLOR) == 0;
  control.image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Image image;
  image.shape = {int(control.image.height), int(control.image.width), grey ? 1 : 3};
  image.bytes.resize(image.shape.numel());
  const png_color black = {0, 0, 0};
  check(png_image_finish_read(&control.image, &black, image.bytes.data(), 0, nullptr));
  return image;
}

Image read_png(const std::filesystem::path& path) {
  return decode_png(read_picture_file(path, "PNG"), path.string());
}

}  // namespace ito::data
