#include "kernels/group_norm_silu_fir/op.h"

#include <algorithm>

#include "kernels/cast/op.h"
#include "kernels/common/define_op.h"
#include "kernels/fir_resample/plan.h"
#include "kernels/group_norm_silu/op.h"
#include "kernels/group_norm_silu_fir/cpu.h"

namespace ito {

extern const OpInfo& op_fir_resample();
extern const OpInfo& op_group_norm_silu();

namespace {

using ops::FirAttrs;
using ops::GroupNormFirAttrs;

GroupNormParams params_of(const Shape& x, const GroupNormFirAttrs& a) {
  return {
      .samples = x[0], .pixels = x[1] * x[2], .channels = x[3], .groups = a.groups, .eps = a.eps};
}

template <class T>
T* data_or_null(const Tensor& t) {
  return t ? t.data<T>() : nullptr;
}

/// The adjoint of the filter on a gradient of shape [N, H', W', C], or zeros where there is none.
template <class T>
T* filtered_back(Launch& launch, const Tensor& gy, const Shape& x, const FirAttrs& a) {
  T* to = launch.scratch<T>(x.numel());
  if (gy) {
    const FirAttrs adjoint = fir_adjoint(x, gy.shape(), a);
    fir_resample_cpu(launch, fir_plan(gy.shape(), x, adjoint), gy.data<T>(), to);
  } else {
    std::fill_n(to, x.numel(), T(0.0f));
  }
  return to;
}

struct GroupNormSiluFir {
  static constexpr std::string_view name = "group_norm_silu_fir";
  static constexpr OpKind kind = OpKind::fused;
  static constexpr int visible_outputs = 2;
  using Attrs = GroupNormFirAttrs;

  static SavedMasks saved(const Attrs&) { return {.inputs = ~0u, .outputs = 4}; }

  static Specs infer(const Specs& x, const Attrs& a) {
    const Specs resampled = op_fir_resample().infer({x[0]}, &a.fir);
    const ops::GroupNormAttrs norm{.groups = a.groups, .eps = a.eps};
    const Spec none{.shape = Shape{0}, .present = false};
    const Specs normal = op_group_norm_silu().infer({x[0], x[1], x[2], none, none}, &norm);
    return {resampled[0], resampled[0], normal[1]};
  }
  static Tensors reference(const Tensors& in, const Attrs& a) {
    const DType dtype = in[0].dtype();
    const DType acc = dtype == DType::f64 ? DType::f64 : DType::f32;
    const Tensor x = ops::cast(in[0], acc);
    const ops::GroupNormAttrs norm{.groups = a.groups, .eps = a.eps};
    const Tensor h = op_group_norm_silu().reference(
        {x, ops::cast(in[1], acc), ops::cast(in[2], acc), Tensor(), Tensor()}, &norm)[0];
    return {ops::cast(ops::fir_resample(h, a.fir), dtype),
            ops::cast(ops::fir_resample(x, a.fir), dtype)};
  }
  static void forward(Launch& launch, const Tensors& x, const Tensors& y, const Attrs& a) {
    if (y[0].numel() == 0) return;
    const FirPlan plan = fir_plan(x[0].shape(), y[0].shape(), a.fir);
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      group_norm_silu_fir_cpu(
          launch, params_of(x[0].shape(), a), plan,
          GroupNormFirForward<T>{x[0].data<T>(), x[1].data<T>(), x[2].data<T>(), y[0].data<T>(),
                                 y[1].data<T>(), y[2].data<Acc<T>>()});
    });
  }
  /// gx = norm'(fir^T gy0) + fir^T gy1.
  static void backward(Launch& launch, const Tensors& gy, const Tensors& x, const Tensors& y,
                       const Tensors& gx, const Attrs& a) {
    const Shape& shape = x[0].shape();
    dispatch_float(x[0].dtype(), name, [&]<class T>() {
      const T* gh = filtered_back<T>(launch, gy[0], shape, a.fir);
      group_norm_silu_backward_cpu(
          launch, params_of(shape, a),
          GroupNormBackward<T>{gh, x[0].data<T>(), x[1].data<T>(), x[2].data<T>(), nullptr,
                               y[2].data<Acc<T>>(), data_or_null<T>(gx[0]), data_or_null<T>(gx[1]),
                               data_or_null<T>(gx[2]), nullptr});
      if (!gx[0] || !gy[1]) return;
      add_to_cpu(shape.numel(), filtered_back<T>(launch, gy[1], shape, a.fir), gx[0].data<T>());
    });
  }

  static Samples samples() {
    const std::vector<double> binomial = {1, 3, 3, 1}, skew = {1, -2, 4, 0.5, 3};
    const FirAttrs up = ops::upsampling(binomial), down = ops::downsampling(binomial);
    const auto sample = [](const char* id, Shape x, int groups, const FirAttrs& fir,
                           bool gradients = true, double mean = 0.5) {
      const int64_t c = x[3];
      return Sample{id,
                    {normal(x, mean, 1), normal({c}, 1, 0.3), normal({c}, 0.2, 0.3)},
                    attrs(Attrs{.groups = groups, .fir = fir}),
                    gradients};
    };
    return {sample("up", {2, 4, 5, 16}, 4, up), sample("down", {2, 6, 8, 16}, 4, down),
            sample("up_odd_pixels", {1, 5, 3, 24}, 6, up),
            sample("down_odd_pixels", {1, 5, 7, 24}, 8, down),
            sample("up_odd_channels", {2, 3, 4, 9}, 3, up),
            sample("down_odd_channels", {2, 4, 3, 20}, 5, down),
            sample("one_channel_per_group", {1, 3, 4, 16}, 16, up),
            sample("one_group", {1, 4, 3, 12}, 1, down), sample("one_pixel", {3, 1, 1, 16}, 4, up),
            sample("skew_up", {1, 4, 3, 8}, 2, {{3, 1, -1, 2}, 2, 1, 2, 1, 1, 2, 4}),
            sample("skew_down", {1, 6, 5, 8}, 2, {{3, 1, -1, 2}, 1, 2, 1, 1, 2, 0, 1}),
            sample("skew_up_3_down_2", {1, 5, 4, 12}, 4, {skew, 3, 2, 1, 3, 0, 2, 2}),
            sample("crop", {1, 8, 9, 16}, 4, {skew, 1, 1, -2, 1, 0, -3, 1}),
            sample("crop_up", {1, 5, 5, 16}, 4, {binomial, 2, 1, -3, -1, -1, -2, 4}),
            sample("wide_padding", {1, 3, 2, 8}, 2, {binomial, 1, 2, 9, 7, 6, 8, 1}),
            sample("large_mean", {1, 6, 6, 16}, 4, down, true, 1e3),
            // Several strips and blocks on a GPU, and several bands on a CPU.
            sample("long_up", {2, 17, 13, 64}, 16, up, false),
            sample("long_down", {1, 34, 26, 64}, 16, down, false),
            sample("many_bands", {1, 80, 40, 32}, 8, down, false),
            sample("empty_batch", {0, 4, 4, 16}, 4, up)};
  }
  static ErrorSamples errors() {
    const auto bad = [](Shape x, Shape w, const Attrs& a) {
      return Sample{"bad", {normal(x), normal(w), normal({x[-1]})}, attrs(a)};
    };
    const FirAttrs up = ops::upsampling({1, 3, 3, 1});
    return {
        {bad({2, 4, 8}, {8}, {.groups = 2, .fir = up}), "x must be [N, H, W, C] with pixels"},
        {bad({2, 4, 4, 9}, {9}, {.groups = 2, .fir = up}), "channels must divide by groups"},
        {bad({2, 4, 4, 8}, {4}, {.groups = 2, .fir = up}), "weight and bias must be [C]"},
        {bad({2, 4, 4, 0}, {0}, {.groups = 2, .fir = up}), "at least one pixel and channel"},
        {bad({2, 4, 4, 8}, {8}, {.groups = 2}), "taps need a sum other than 0"},
        {bad({2, 1, 1, 8}, {8}, {.groups = 2, .fir = {{1, 3, 3, 1}}}), "smaller than the filter"}};
  }
  static Samples bench_samples() {
    const auto sample = [](const char* id, Shape x, const FirAttrs& fir) {
      const int64_t c = x[3];
      return Sample{
          id, {normal(x), normal({c}), normal({c})}, attrs(Attrs{.groups = 32, .fir = fir})};
    };
    return {sample("up_8x16x16x256", {8, 16, 16, 256}, ops::upsampling({1, 3, 3, 1})),
            sample("down_8x32x32x128", {8, 32, 32, 128}, ops::downsampling({1, 3, 3, 1}))};
  }
  static Cost cost(const Specs& x, const Specs& y, const Attrs& a) {
    const auto in = static_cast<double>(x[0].shape.numel());
    const auto out = static_cast<double>(y[0].shape.numel());
    const auto taps = static_cast<double>(a.fir.taps.size());
    return {(in + 2 * out) * static_cast<double>(size_of(x[0].dtype)),
            12 * in + 2 * 4 * taps * out / a.fir.up};
  }
};

}  // namespace
}  // namespace ito

ITO_OP(GroupNormSiluFir, group_norm_silu_fir)

namespace ito::ops {

std::pair<Tensor, Tensor> group_norm_silu_fir(const Tensor& x, const Tensor& w, const Tensor& b,
                                              const GroupNormFirAttrs& attrs) {
  Tensors y = call(op_group_norm_silu_fir(), {x, w, b}, attrs);
  return {std::move(y[0]), std::move(y[1])};
}

}  // namespace ito::ops
