// Cutting and resizing pictures.
#pragma once

#include "tools/data/image.h"

namespace ito::data {

enum class Filter : uint8_t { bilinear, bicubic };  ///< bicubic: Keys 1981 with a = -1/2

/// The picture at another size: separable resampling between pixel centres with `filter`, which is
/// as wide as the target's pixels where those are the larger ones (antialiased), renormalised at
/// the borders; rounded to the nearest byte. Throws ValueError for an empty size.
Image resized(const Image& image, int height, int width, Filter filter);

/// The middle `height` x `width` pixels; what does not divide evenly is cut at the bottom and on
/// the right. Throws ValueError if the picture is smaller.
Image centre_crop(const Image& image, int height, int width);

/// The picture with 1 (mean by ITU-R BT.601 weights) or 3 (repeated) channels.
Image with_channels(const Image& image, int channels);

}  // namespace ito::data
