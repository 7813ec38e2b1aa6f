// Attributes and weights of bilinear_resize, for host and device.
#pragma once

#include <cstdint>

#include "engine/core/tensor.h"
#include "engine/random/host_device.h"

namespace ito {

namespace ops {

enum class ResizeMap : uint8_t { interpolate, adjoint };

struct ResizeAttrs {
  int64_t height = 1, width = 1;  ///< of the output
  ResizeMap map = ResizeMap::interpolate;
};

}  // namespace ops

inline constexpr int64_t kMaxResize = 1 << 15;  // products of two sizes fit 32 bits

/// Interpolation of `source` pixels at `target` places, as a sparse matrix of `target` rows, or its
/// transpose. Place r lies at r spacing / span between the source pixels, a ratio of integers.
struct ResizeAxis {
  int source, target;
  int spacing, span;
  ops::ResizeMap map;

  struct Taps {
    int begin, end;
  };

  /// The inputs that output o is made of.
  ITO_HD Taps taps(int o) const {
    if (map == ops::ResizeMap::interpolate) {
      const int first = o * spacing / span;
      return {first, first + (o * spacing == first * span ? 1 : 2)};
    }
    if (spacing == 0) return {0, o == 0 ? target : 0};
    const int begin = o == 0 ? 0 : (o - 1) * span / spacing + 1;
    const int end = ((o + 1) * span + spacing - 1) / spacing;
    return {begin, end < target ? end : target};
  }
  /// Weight of input i in output o: weight / span.
  ITO_HD int weight(int o, int i) const {
    const int distance =
        map == ops::ResizeMap::interpolate ? o * spacing - i * span : i * spacing - o * span;
    return span - (distance < 0 ? -distance : distance);
  }
};

inline ResizeAxis resize_axis(int64_t in, int64_t out, ops::ResizeMap map) {
  const bool forward = map == ops::ResizeMap::interpolate;
  const auto source = static_cast<int>(forward ? in : out);
  const auto target = static_cast<int>(forward ? out : in);
  return {.source = source,
          .target = target,
          .spacing = target > 1 ? source - 1 : 0,
          .span = target > 1 ? target - 1 : 1,
          .map = map};
}

}  // namespace ito
