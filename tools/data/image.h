// Pictures of 8 bits a channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ito::data {

/// Sizes of one image stored as [height, width, channels].
struct ImageShape {
  int height = 0, width = 0, channels = 0;
  size_t numel() const { return size_t(height) * size_t(width) * size_t(channels); }
  bool operator==(const ImageShape&) const = default;
};

/// One picture: bytes [height, width, channels], 1 channel grey or 3 RGB.
struct Image {
  ImageShape shape;
  std::vector<uint8_t> bytes;
};

}  // namespace ito::data
