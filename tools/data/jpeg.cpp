#include "tools/data/jpeg.h"

#include <turbojpeg.h>

#include <memory>
#include <string>

#include "engine/core/check.h"
#include "tools/data/input_file.h"

namespace ito::data {

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t(256) << 20;
constexpr int64_t kMaxPixels = int64_t(1) << 26;

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};

}  // namespace

Image read_jpeg(const std::filesystem::path& path) {
  const std::vector<uint8_t> file = InputFile(path).read(kMaxFileBytes + 1);
  if (file.empty()) {
    fail(ErrorCode::file_truncated, path.string(), "has 0 bytes", "give a JPEG file");
  }
  if (file.size() > kMaxFileBytes) {
    fail(ErrorCode::file_mismatch, path.string(), "has more than 256 MiB", "give a smaller image");
  }
  const std::unique_ptr<void, Destroy> decoder(tjInitDecompress());
  ITO_CHECK(decoder != nullptr, Error, "libjpeg-turbo does not start");
  const auto check = [&](int status) {
    if (status == 0) return;
    fail(ErrorCode::file_corrupt, path.string(),
         std::string("is no valid JPEG: ") + tjGetErrorStr2(decoder.get()),
         "give another JPEG file");
  };
  Image image;
  int sampling = 0, colours = 0;
  check(tjDecompressHeader3(decoder.get(), file.data(), file.size(), &image.shape.width,
                            &image.shape.height, &sampling, &colours));
  if (int64_t{image.shape.width} * image.shape.height > kMaxPixels) {
    fail(ErrorCode::file_mismatch, path.string(),
         "has " + std::to_string(image.shape.width) + " x " + std::to_string(image.shape.height) +
             " pixels",
         "give at most " + std::to_string(kMaxPixels) + " pixels");
  }
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
    fail(ErrorCode::file_mismatch, path.string(), "has four colours (CMYK)", "convert it to RGB");
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

}  // namespace ito::data
