#include "models/layers/resample.h"

#include "kernels/binary/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/mean_pool/op.h"
#include "kernels/pad/op.h"
#include "kernels/slice/op.h"
#include "kernels/upsample_nearest/op.h"

namespace ito::nn {
namespace {

/// Rounds towards minus infinity, as the reference's pads need for negative numbers.
int floor_half(int v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

/// Without the last row or column where their number is odd: no 2 x 2 window covers it.
Tensor even_sized(Tensor x) {
  for (const int axis : {1, 2}) {
    if (x.size(axis) % 2 != 0) x = ops::slice(x, axis, 0, x.size(axis) - 1);
  }
  return x;
}

ops::FirAttrs fir_with_pads(const FirTaps& taps, double gain, int before, int after) {
  return {.taps = taps,
          .pad_y0 = before,
          .pad_y1 = after,
          .pad_x0 = before,
          .pad_x1 = after,
          .gain = gain};
}

}  // namespace

Tensor upsample(const Tensor& x, const FirTaps& taps) {
  return taps.empty() ? ops::upsample_nearest(x, 2) : ops::fir_upsample(x, taps);
}

Tensor downsample(const Tensor& x, const FirTaps& taps) {
  return taps.empty() ? ops::mean_pool(even_sized(x), 2) : ops::fir_downsample(x, taps);
}

Resample::Resample(Init& init, Direction to, FirTaps filter, int in, int out)
    : direction(to), taps(std::move(filter)), conv(Conv2d(init, in, out, 3)) {}

Tensor Resample::operator()(const Tensor& x) const {
  if (!conv) return direction == Direction::up ? upsample(x, taps) : downsample(x, taps);
  return direction == Direction::up ? convolve_up(x) : convolve_down(x);
}

Tensor Resample::convolve_up(const Tensor& x) const {
  if (taps.empty()) return (*conv)(ops::upsample_nearest(x, 2));
  // A stride-2 transposed convolution: zeros between the pixels, then a full convolution.
  const Tensor spread = ops::fir_resample(
      x, {.taps = {1}, .up = 2, .pad_y1 = -1, .pad_x1 = -1});  // [N, 2H-1, 2W-1, C]
  const int reach = static_cast<int>(conv->weight.size(1)) - 1;
  const ops::Conv2dAttrs full{
      .pad_top = reach, .pad_left = reach, .pad_bottom = reach, .pad_right = reach};
  const Tensor h = ops::conv2d(spread, conv->weight, Tensor(), full);  // 3 x 3: [N, 2H+1, 2W+1, C']
  const int p = static_cast<int>(taps.size()) - 2 - reach;
  const Tensor y = ops::fir_resample(
      h, fir_with_pads(taps, 4, floor_half(p + 1) + 1, floor_half(p) + 1));  // [N, 2H, 2W, C']
  return y + conv->bias;
}

Tensor Resample::convolve_down(const Tensor& x) const {
  ops::Conv2dAttrs valid{.stride = 2};
  if (taps.empty()) {
    valid.pad_bottom = valid.pad_right = 1;
    return ops::conv2d(x, conv->weight, conv->bias, valid);
  }
  const int reach = static_cast<int>(conv->weight.size(1)) - 1;
  const int p = static_cast<int>(taps.size()) - 2 + reach;
  const Tensor h = ops::fir_resample(x, fir_with_pads(taps, 1, floor_half(p + 1), floor_half(p)));
  return ops::conv2d(h, conv->weight, conv->bias, valid);
}

void Resample::list(ParameterList& list) {
  if (conv) list.part("conv", taps.empty() ? "Conv_0" : "Conv2d_0", *conv);
}

}  // namespace ito::nn
