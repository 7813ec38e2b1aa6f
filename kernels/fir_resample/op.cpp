#include "kernels/fir_resample/op.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/common/define_op.h"
#include "kernels/fir_resample/plan.h"

namespace ito {
namespace {

using ops::FirAttrs;

/// Floor of a / b for b > 0; C++ rounds towards zero.
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t count_of(const FirAttrs& a) { return static_cast<int64_t>(a.taps.size()); }
double sum_of(const FirAttrs& a) { return std::accumulate(a.taps.begin(), a.taps.end(), 0.0); }

/// Samples along an axis of n after resampling.
int64_t resampled(const FirAttrs& a, int64_t n, int64_t pad0, int64_t pad1) {
  return floor_div(n * a.up + pad0 + pad1 - count_of(a), a.down) + 1;
}

Shape output_shape(const Shape& x, const FirAttrs& a) {
  return {x[0], resampled(a, x[1], a.pad_y0, a.pad_y1), resampled(a, x[2], a.pad_x0, a.pad_x1),
          x[3]};
}

/// Index into the taps for input i = 0 of output j: y[j] = sum_i x[i] taps[tap_origin - up i].
int64_t tap_origin(const FirAttrs& a, int64_t j, int64_t pad0) {
  return j * a.down + count_of(a) - 1 - pad0;
}

/// Terms of every output along an axis; those outside of the image are left out.
std::vector<FirTerm> terms_of(const FirAttrs& a, int64_t n, int64_t outputs, int64_t pad0) {
  std::vector<FirTerm> terms;
  for (int64_t j = 0; j < outputs; ++j) {
    const int64_t origin = tap_origin(a, j, pad0);
    const int64_t newest = std::min(floor_div(origin, a.up), n - 1);
    const int64_t oldest =
        std::max<int64_t>(floor_div(origin - count_of(a), a.up) + 1, 0);  // tap below K
    const int64_t count = std::max<int64_t>(newest - oldest + 1, 0);
    // Without a term the pixel stays inside the image, so that no pointer is formed outside of it.
    if (count == 0) terms.push_back({});
    if (count > 0) {
      terms.push_back({.first_tap = static_cast<int>(origin - newest * a.up),
                       .count = static_cast<int>(count),
                       .first_pixel = newest});
    }
  }
  return terms;
}

/// The definition: every output is a sum over all pixels and the 2-D kernel.
template <class T>
void plain_loop(const Tensor& x, const Tensor& y, const FirAttrs& a) {
  using A = Acc<T>;
  const Shape &from = x.shape(), &to = y.shape();
  const int64_t count = count_of(a);
  const double scale = a.gain / (sum_of(a) * sum_of(a));
  for (int64_t o = 0; o < y.numel(); ++o) {
    const int64_t c = o % to[3], ox = o / to[3] % to[2], oy = o / (to[3] * to[2]) % to[1];
    const int64_t n = o / (to[3] * to[2] * to[1]);
    A sum = 0;
    for (int64_t iy = 0; iy < from[1]; ++iy) {
      const int64_t ky = tap_origin(a, oy, a.pad_y0) - iy * a.up;
      if (ky < 0 || ky >= count) continue;
      for (int64_t ix = 0; ix < from[2]; ++ix) {
        const int64_t kx = tap_origin(a, ox, a.pad_x0) - ix * a.up;
        if (kx < 0 || kx >= count) continue;
        const double weight =
            a.taps[static_cast<size_t>(ky)] * a.taps[static_cast<size_t>(kx)] * scale;
        const T value = x.data<T>()[((n * from[1] + iy) * from[2] + ix) * from[3] + c];
        sum += static_cast<A>(weight) * static_cast<A>(value);
      }
    }
    y.data<T>()[o] = static_cast<T>(sum);
  }
}

struct FirResample {
  static constexpr std::string_view name = "fir_resample";
  static constexpr OpKind kind = OpKind::primitive;
  using Attrs = FirAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = 0}; }
  static Specs infer(const Specs& x, const Attrs& a) {
    const Shape& s = x[0].shape;
    ITO_CHECK(is_floating(x[0].dtype), DTypeError, "needs a floating dtype", kv("x", x[0].dtype));
    ITO_CHECK(s.rank() == 4 && s[1] >= 1 && s[2] >= 1, ShapeError,
              "x must be [N, H, W, C] with pixels", kv("x", s));
    ITO_CHECK(!a.taps.empty() && sum_of(a) != 0, ValueError, "taps need a sum other than 0",
              kv("count", a.taps.size()));
    ITO_CHECK(a.up >= 1 && a.down >= 1 && a.gain >= 0, ValueError,
              "up and down must be at least 1, the gain at least 0", kv("up", a.up),
              kv("down", a.down), kv("gain", a.gain));
    ITO_CHECK(s[1] * a.up + a.pad_y0 + a.pad_y1 >= count_of(a) &&
                  s[2] * a.up + a.pad_x0 + a.pad_x1 >= count_of(a),
              ShapeError, "padded image is smaller than the filter", kv("x", s),
              kv("taps", a.taps.size()));
    return {{output_shape(s, a), x[0].dtype, x[0].device}};
  }
  static Tensors reference(const Tensors& x, const Attrs& a) {
    Tensor y = Tensor::empty(output_shape(x[0].shape(), a), x[0].dtype());
    dispatch_float(y.dtype(), name, [&]<class T>() { plain_loop<T>(x[0], y, a); });
    return {y};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const FirPlan plan = fir_plan(x[0].shape(), y[0].shape(), a);
    dispatch_float(y[0].dtype(), name, [&]<class T>() {
      fir_resample_cpu(launch, plan, x[0].data<T>(), y[0].data<T>());
    });
  }
  static Tensors gradient(const GradCall& g, const Attrs& a) {
    const FirAttrs adjoint = fir_adjoint(g.input_specs[0].shape, g.grad_out[0].shape(), a);
    return {ops::fir_resample(g.grad_out[0], adjoint)};
  }

  static Samples samples() {
    const std::vector<double> binomial = {1, 3, 3, 1}, skew = {1, -2, 4, 0.5, 3};
    const FirAttrs up2{binomial, 2, 1, 2, 1, 2, 1, 4}, down2{binomial, 1, 2, 1, 1, 1, 1, 1};
    const auto sample = [](const char* id, Shape x, const FirAttrs& a, bool gradients = true) {
      return Sample{id, {normal(x)}, attrs(a), gradients};
    };
    return {sample("up", {2, 4, 5, 8}, up2),
            sample("down", {2, 6, 8, 8}, down2),
            sample("up_grey", {2, 5, 4, 1}, up2),
            sample("down_grey", {2, 6, 4, 1}, down2),
            sample("up_rgb", {1, 3, 4, 3}, up2),
            sample("down_rgb", {1, 5, 7, 3}, down2),
            sample("odd_channels", {1, 3, 5, 19}, up2),
            sample("five_channels", {1, 3, 5, 5}, up2),
            sample("one_pixel", {2, 1, 1, 9}, up2),
            sample("smooth", {1, 5, 6, 4}, {binomial, 1, 1, 2, 2, 2, 2, 1}),
            sample("skew", {1, 6, 5, 9}, {skew, 1, 1, 2, 2, 2, 2, 1.7}),
            sample("skew_up_3", {1, 4, 3, 2}, {skew, 3, 1, 2, 3, 4, 1, 9}),
            sample("skew_down_3", {1, 9, 7, 2}, {skew, 1, 3, 2, 3, 4, 1, 1}),
            sample("up_3_down_2", {1, 5, 4, 9}, {skew, 3, 2, 1, 3, 0, 2, 2}),
            sample("up_2_down_3", {1, 7, 6, 3}, {skew, 2, 3, 3, 0, 1, 1, 2}),
            sample("crop", {1, 8, 9, 3}, {skew, 1, 1, -2, 1, 0, -3, 1}),
            sample("crop_up", {1, 5, 5, 10}, {binomial, 2, 1, -3, -1, -1, -2, 4}),
            sample("wide_padding", {1, 3, 2, 8}, {binomial, 1, 2, 9, 7, 6, 8, 1}),
            sample("one_tap", {1, 3, 4, 2}, {{2}, 2, 1, 0, 0, 0, 0, 4}),
            sample("two_taps", {1, 4, 4, 16}, {{1, 1}, 1, 2, 0, 0, 0, 0, 1}),
            sample("long_up", {2, 17, 33, 24}, up2, false),
            sample("long_down", {3, 34, 66, 24}, down2, false),
            sample("empty_batch", {0, 4, 4, 3}, up2),
            sample("no_channels", {2, 4, 4, 0}, down2)};
  }
  static ErrorSamples errors() {
    const auto bad = [](Shape x, const FirAttrs& a) {
      return Sample{"bad", {normal(x)}, attrs(a)};
    };
    return {{bad({2, 4, 4}, {{1}}), "x must be [N, H, W, C] with pixels"},
            {bad({2, 0, 4, 1}, {{1}}), "with pixels"},
            {bad({2, 4, 4, 1}, {{}}), "taps need a sum other than 0"},
            {bad({2, 4, 4, 1}, {{1, -1}}), "taps need a sum other than 0"},
            {bad({2, 4, 4, 1}, {{1, 1}, 0}), "up and down must be at least 1"},
            {bad({2, 4, 4, 1}, {{1, 3, 3, 1}, 1, 1, -1}), "smaller than the filter"}};
  }
  static Samples bench_samples() {
    const std::vector<double> binomial = {1, 3, 3, 1};
    const AnyAttrs up2 = attrs(Attrs{binomial, 2, 1, 2, 1, 2, 1, 4});
    const AnyAttrs down2 = attrs(Attrs{binomial, 1, 2, 1, 1, 1, 1, 1});
    return {{"up_8x16x16x256", {normal({8, 16, 16, 256})}, up2},
            {"down_8x32x32x128", {normal({8, 32, 32, 128})}, down2},
            {"up_64x16x16x3", {normal({64, 16, 16, 3})}, up2},
            {"down_64x32x32x3", {normal({64, 32, 32, 3})}, down2}};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs& a) {
    const auto in = static_cast<double>(x[0].shape.numel());
    const auto out = static_cast<double>(y[0].shape.numel());
    return {(in + out) * static_cast<double>(size_of(x[0].dtype)),
            4 * static_cast<double>(count_of(a)) * out / a.up};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(FirResample, fir_resample)

namespace ito {

FirPlan fir_plan(const Shape& x, const Shape& y, const FirAttrs& a) {
  FirPlan plan{.samples = x[0], .height = x[1], .width = x[2], .channels = x[3], .up = a.up};
  const double scale = std::sqrt(a.gain) / sum_of(a);  // of each of the two axes
  for (const double tap : a.taps) plan.taps.push_back(tap * scale);
  plan.rows = terms_of(a, x[1], y[1], a.pad_y0);
  plan.columns = terms_of(a, x[2], y[2], a.pad_x0);
  return plan;
}

FirAttrs fir_adjoint(const Shape& x, const Shape& y, const FirAttrs& a) {
  const auto pad0 = [&](int64_t pad) { return count_of(a) - pad - 1; };
  const auto pad1 = [&](int axis, int64_t pad) {
    return x[axis] * a.up - y[axis] * a.down + pad - a.up + 1;
  };
  return {.taps = {a.taps.rbegin(), a.taps.rend()},
          .up = a.down,
          .down = a.up,
          .pad_y0 = pad0(a.pad_y0),
          .pad_y1 = pad1(1, a.pad_y0),
          .pad_x0 = pad0(a.pad_x0),
          .pad_x1 = pad1(2, a.pad_x0),
          .gain = a.gain};
}

}  // namespace ito

namespace ito::ops {

Tensor fir_resample(const Tensor& x, const FirAttrs& attrs) {
  return call(op_fir_resample(), {x}, attrs)[0];
}

FirAttrs upsampling(const std::vector<double>& taps) {
  const int64_t spare = static_cast<int64_t>(taps.size()) - 2;
  const int64_t pad0 = floor_div(spare + 1, 2) + 1, pad1 = floor_div(spare, 2);
  return {taps, 2, 1, pad0, pad1, pad0, pad1, 4};
}

FirAttrs downsampling(const std::vector<double>& taps) {
  const int64_t spare = static_cast<int64_t>(taps.size()) - 2;
  const int64_t pad0 = floor_div(spare + 1, 2), pad1 = floor_div(spare, 2);
  return {taps, 1, 2, pad0, pad1, pad0, pad1, 1};
}

Tensor fir_upsample(const Tensor& x, const std::vector<double>& taps) {
  return fir_resample(x, upsampling(taps));
}

Tensor fir_downsample(const Tensor& x, const std::vector<double>& taps) {
  return fir_resample(x, downsampling(taps));
}

}  // namespace ito::ops
