#include "tools/data/jpeg.h"

#include <turbojpeg.h>

#include <memory>
#include <string>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

constexpr uint64_t kMaxPixels = uint64_t(1) << 26;
// A block of 64 pixels takes a bit in a Huffman code and less in an arithmetic one. Small pictures
// cost so little that no such guess is needed.
constexpr uint64_t kMostPixelsPerByte = 8192, kAlwaysTried = uint64_t(1) << 20;

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};

}  // namespace

Image decode_jpeg(std::span<const uint8_t> file, std::string_view subject) {
  const std::unique_ptr<void, Destroy> decoder(tjInitDecompress());
  ITO_CHECK(decoder != nullptr, Error, "libjpeg-turbo does not start");
  const auto check = [&](int status) {
    if (status == 0) return;
    fail(ErrorCode::file_corrupt, subject,
         std::string("is no valid JPEG: ") + tjGetErrorStr2(decoder.get()),
         "give another JPEG file");
  };
  Image image;
  int sampling = 0, colours = 0;
  check(tjDecompressHeader3(decoder.get(), file.data(), file.size(), &image.shape.width,
                            &image.shape.height, &sampling, &colours));
  const uint64_t pixels = uint64_t(image.shape.width) * uint64_t(image.shape.height);
  const std::string size =
      std::to_string(image.shape.width) + " x " + std::to_string(image.shape.height) + " pixels";
  if (pixels > kMaxPixels) {
    fail(ErrorCode::file_mismatch, subject, "has " + size,
         "give at most " + std::to_string(kMaxPixels) + " pixels");
  }
  if (pixels > kAlwaysTried && pixels / kMostPixelsPerByte > file.size()) {
    fail(ErrorCode::file_corrupt, subject,
         "is no valid JPEG: claims " + size + " in " + std::to_string(file.size()) + " bytes",
         "give another JPEG file");
  }
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
    fail(ErrorCode::file_mismatch, subject, "has four colours (CMYK)", "convert it to RGB");
  }
  image.shape.channels = colours == TJCS_GRAY ? 1 : 3;
  image.bytes.resize(image.shape.numel());
  constexpr int kRowsWithoutGaps = 0;
  // The slow transform is the same on every machine; a warning is a damaged or cut file.
  check(tjDecompress2(decoder.get(), file.data(), file.size(), image.bytes.data(),
                      image.shape.width, kRowsWithoutGaps, image.shape.height,
                      image.shape.channels == 1 ? TJPF_GRAY : TJPF_RGB,
                      TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING));
  return image;
}

Image read_jpeg(const std::filesystem::path& path) {
  return decode_jpeg(read_picture_file(path, "JPEG"), path.string());
}

}  // namespace ito::data
