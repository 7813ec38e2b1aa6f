// Resampling: upfirdn2d with any kernel, the rules built on it, and the modules that add a
// convolution.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/cast/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/permute/op.h"
#include "kernels/reshape/op.h"
#include "models/layers/resample.h"
#include "tools/golden/layer_case.h"

namespace ito::golden {
namespace {

using nn::Direction;

/// The row sums r of a kernel outer(r, r) / sum(r); empty for any other kernel.
std::vector<double> separable_taps(const Tensor& kernel) {
  const auto n = static_cast<size_t>(kernel.size(0));
  if (kernel.size(1) != kernel.size(0)) return {};
  const std::vector<double> k = values(kernel);
  std::vector<double> r(n, 0.0);
  for (size_t i = 0; i < k.size(); ++i) r[i / n] += k[i];
  const double sum = std::accumulate(r.begin(), r.end(), 0.0);
  if (!(sum > 0)) return {};          // a gain is not negative
  constexpr double kRounding = 2e-7;  // of a product in fp32
  for (size_t i = 0; i < k.size(); ++i) {
    const double product = r[i / n] * r[i % n] / sum;
    if (std::abs(k[i] - product) > kRounding * std::abs(product)) return {};
  }
  return r;
}

/// upfirdn2d by its definition: zeros between and around the samples, then a convolution (with a
/// flipped kernel: conv2d correlates) of every channel alone.
Tensor by_definition(const Tensor& x, const Tensor& flipped, const ops::FirAttrs& attrs) {
  const int64_t n = x.size(0), c = x.size(3);
  ops::FirAttrs spread = attrs;
  spread.taps = {1};
  spread.down = 1;
  const Tensor planes =
      ops::reshape(ops::permute(x, {0, 3, 1, 2}), Shape{n * c, x.size(1), x.size(2), 1});
  const Tensor y = ops::conv2d(ops::fir_resample(planes, spread), flipped, Tensor(),
                               {.stride = attrs.down});  // [N C, H', W', 1]
  return ops::permute(ops::reshape(y, Shape{n, c, y.size(1), y.size(2)}), {0, 2, 3, 1});
}

void run_upfirdn2d(CaseRun& run) {
  const Case& c = run.golden();
  const std::vector<double> pad = c.numbers("pad", {});
  if (pad.size() != 2) throw Unknown("option:pad");
  const auto before = static_cast<int64_t>(pad[0]), after = static_cast<int64_t>(pad[1]);
  const Tensor& kernel = c.at("input.kernel");
  ops::FirAttrs attrs{.taps = separable_taps(kernel),
                      .up = static_cast<int>(c.number("up", 1)),
                      .down = static_cast<int>(c.number("down", 1)),
                      .pad_y0 = before,
                      .pad_y1 = after,
                      .pad_x0 = before,
                      .pad_x1 = after};
  const bool separable = !attrs.taps.empty();
  if (separable) attrs.gain = std::accumulate(attrs.taps.begin(), attrs.taps.end(), 0.0);
  std::vector<double> reversed = values(kernel);
  std::ranges::reverse(reversed);
  const Tensor flipped = Tensor::from(reversed, {1, kernel.size(0), kernel.size(1), 1});
  check_layer(run, {.apply = [&](const Tensors& x) {
                if (separable) return ops::fir_resample(x[0], attrs);
                const Tensor w = ops::cast(flipped, x[0].dtype()).to(x[0].device());
                return by_definition(x[0], w, attrs);
              }});
}

/// Our resampling is by two and keeps the mean.
void check_factor(const Case& c) {
  for (const auto& [option, value] : {std::pair("factor", 2.0), std::pair("gain", 1.0)}) {
    if (c.number(option, value) != value) throw Unknown(std::string("option:") + option);
  }
}

void run_resampling(CaseRun& run, Direction direction, const nn::FirTaps& taps) {
  check_factor(run.golden());
  const nn::Resample resample(direction, taps);
  check_layer(run, {.apply = [&](const Tensors& x) { return resample(x[0]); }});
}

/// The convolution's weights are an input, and it has no bias.
void run_fused(CaseRun& run, Direction direction) {
  const Case& c = run.golden();
  check_factor(c);
  nn::Init init(0);
  nn::Resample resample(direction, taps_option(c));
  check_layer(run, {.inputs = {"x", "w"}, .apply = [&](const Tensors& x) {
                      const Tensor& w = x[1];  // [out, k, k, in]
                      resample.conv = nn::Conv2d{};
                      resample.conv->weight = w;
                      resample.conv->bias = Tensor::zeros({w.size(0)}, w.dtype(), w.device());
                      return resample(x[0]);
                    }});
}

/// Upsample and Downsample, with and without FIR and convolution.
void run_module(CaseRun& run, Direction direction) {
  const Case& c = run.golden();
  const nn::FirTaps taps = c.flag("fir", false) ? taps_option(c) : nn::FirTaps{};
  if (!c.flag("with_conv", false)) return run_resampling(run, direction, taps);
  nn::Init init(0);
  const std::string weight = taps.empty() ? "Conv_0.weight" : "Conv2d_0.weight";
  nn::Resample resample(init, direction, taps, size_in(c, weight, 1), size_in(c, weight, 0));
  check_layer(run, {.parameters = parameters_in(resample),
                    .apply = [&](const Tensors& x) { return resample(x[0]); }});
}

constexpr auto kUp = Direction::up, kDown = Direction::down;

constexpr LayerKind kKinds[] = {
    {"upfirdn2d", run_upfirdn2d},
    {"upsample_2d", [](CaseRun& run) { run_resampling(run, kUp, taps_option(run.golden())); }},
    {"downsample_2d", [](CaseRun& run) { run_resampling(run, kDown, taps_option(run.golden())); }},
    {"naive_upsample_2d", [](CaseRun& run) { run_resampling(run, kUp, {}); }},
    {"naive_downsample_2d", [](CaseRun& run) { run_resampling(run, kDown, {}); }},
    {"upsample_conv_2d", [](CaseRun& run) { run_fused(run, kUp); }},
    {"conv_downsample_2d", [](CaseRun& run) { run_fused(run, kDown); }},
    {"Upsample", [](CaseRun& run) { run_module(run, kUp); }},
    {"Downsample", [](CaseRun& run) { run_module(run, kDown); }},
};

}  // namespace

std::span<const LayerKind> resampling_layers() { return kKinds; }

}  // namespace ito::golden
