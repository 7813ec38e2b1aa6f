// Changing the resolution by two, with or without a convolution.
#pragma once

#include <optional>
#include <vector>

#include "models/layers/layers.h"

namespace ito::nn {

/// Taps of the FIR filter; empty: nearest-neighbour up, 2 x 2 mean down.
using FirTaps = std::vector<double>;

Tensor upsample(const Tensor& x, const FirTaps& taps);
Tensor downsample(const Tensor& x, const FirTaps& taps);

enum class Direction : uint8_t { up, down };

/// Upsample / Downsample of the reference: resampling joined to a 3 x 3 convolution.
///   no FIR:  up = nearest, then convolution; down = pad right and bottom by one, stride-2
///   convolution FIR:     up = stride-2 transposed convolution, then FIR; down = FIR, then stride-2
///   convolution
/// Without a convolution: upsample() or downsample() alone.
struct Resample {
  Direction direction = Direction::up;
  FirTaps taps;
  std::optional<Conv2d> conv;

  Resample() = default;
  Resample(Direction to, FirTaps filter) : direction(to), taps(std::move(filter)) {}
  Resample(Init& init, Direction to, FirTaps filter, int in, int out);
  Tensor operator()(const Tensor& x) const;
  void list(ParameterList& list);

 private:
  Tensor convolve_up(const Tensor& x) const;
  Tensor convolve_down(const Tensor& x) const;
};

}  // namespace ito::nn
