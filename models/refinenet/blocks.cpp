#include "models/refinenet/blocks.h"

#include <cmath>

#include "kernels/bilinear_resize/op.h"
#include "kernels/binary/op.h"
#include "kernels/fir_resample/op.h"
#include "kernels/max_pool/op.h"
#include "kernels/mean_pool/op.h"

namespace ito::nn {
namespace {

constexpr int kStages = 2;  // of residual units and pooling chains
constexpr auto kBias = PlainConv::Bias::present;
constexpr auto kNoBias = PlainConv::Bias::absent;

/// Over 5 x 5 windows around every pixel.
Tensor pool(const Tensor& x, Pooling pooling) {
  if (pooling == Pooling::maximum) return ops::max_pool(x, {.kernel = 5, .stride = 1, .pad = 2});
  return ops::fir_resample(
      x, {.taps = {1, 1, 1, 1, 1}, .pad_y0 = 2, .pad_y1 = 2, .pad_x0 = 2, .pad_x1 = 2});
}

std::string numbered(const char* name, size_t i) { return name + std::to_string(i); }

}  // namespace

PlainConv::PlainConv(Init& init, int in, int out, int kernel, Bias has_bias, int dilation) {
  const double bound = 1 / std::sqrt(static_cast<double>(in * kernel * kernel));
  weight = init.uniform({out, kernel, kernel, in}, bound);
  if (has_bias == Bias::present) bias = init.uniform({out}, bound);
  attrs.dilation = dilation;
  attrs.pad_top = attrs.pad_left = attrs.pad_bottom = attrs.pad_right = dilation * (kernel / 2);
}

void PlainConv::list(ParameterList& list) {
  list.add("weight", "weight", weight, ReferenceLayout::conv);
  if (bias) list.add("bias", "bias", bias);
}

DilatedBlock::DilatedBlock(Init& init, int in, int out, Size size, int dilation,
                           const RefineStyle& style)
    : halves(size == Size::down && dilation == 1) {
  const int middle = size == Size::down ? in : out;
  conv0 = PlainConv(init, in, middle, 3, kBias, dilation);
  norm1 = InstanceNormPlus(init, middle, style.levels);
  conv1 = PlainConv(init, middle, out, 3, kBias, dilation);
  if (halves) {
    skip = PlainConv(init, in, out, 1, kBias);
  } else if (size == Size::down || in != out) {
    skip = PlainConv(init, in, out, dilation == 1 ? 1 : 3, kBias, dilation);
  }
  norm0 = InstanceNormPlus(init, in, style.levels);
}

Tensor DilatedBlock::operator()(const Tensor& x, const RefineContext& c) const {
  Tensor h = conv0(activate(c.activation, norm0(x, c.level)));
  h = conv1(activate(c.activation, norm1(h, c.level)));
  if (!halves) return (skip ? (*skip)(x) : x) + h;
  // A pointwise convolution of the means is the mean of the convolution.
  return (*skip)(ops::mean_pool(x, 2)) + ops::mean_pool(h, 2);
}

void DilatedBlock::list(ParameterList& list) {
  list.part("conv0", "conv1", conv0);
  list.part("norm1", "normalize2", norm1);
  list.part("conv1", halves ? "conv2.conv" : "conv2", conv1);
  if (skip) list.part("skip", halves ? "shortcut.conv" : "shortcut", *skip);
  list.part("norm0", "normalize1", norm0);
}

ResidualUnit::ResidualUnit(Init& init, int channels, int count, const RefineStyle& style)
    : blocks(static_cast<size_t>(count)) {
  for (std::vector<Stage>& block : blocks) {
    for (int s = 0; s < kStages; ++s) {
      Stage stage;
      if (style.levels > 0) stage.norm = InstanceNormPlus(init, channels, style.levels);
      stage.conv = PlainConv(init, channels, channels, 3, kNoBias);
      block.push_back(std::move(stage));
    }
  }
}

Tensor ResidualUnit::operator()(Tensor x, const RefineContext& c) const {
  for (const std::vector<Stage>& block : blocks) {
    Tensor h = x;
    for (const Stage& stage : block) {
      if (stage.norm) h = (*stage.norm)(h, c.level);
      h = stage.conv(activate(c.activation, h));
    }
    x = x + h;
  }
  return x;
}

void ResidualUnit::list(ParameterList& list) {
  for (size_t b = 0; b < blocks.size(); ++b) {
    for (size_t s = 0; s < blocks[b].size(); ++s) {
      const std::string ours = std::to_string(b) + "." + std::to_string(s);
      const std::string theirs = std::to_string(b + 1) + "_" + std::to_string(s + 1);
      Stage& stage = blocks[b][s];
      if (stage.norm) list.part(ours + ".norm", theirs + "_norm", *stage.norm);
      list.part(ours + ".conv", theirs + "_conv", stage.conv);
    }
  }
}

Fusion::Fusion(Init& init, const std::vector<int>& in, int out, const RefineStyle& style) {
  for (const int channels : in) {
    convs.emplace_back(init, channels, out, 3, kBias);
    if (style.levels > 0) norms.emplace_back(init, channels, style.levels);
  }
}

Tensor Fusion::operator()(const std::vector<Tensor>& x, const RefineContext& c) const {
  const int64_t height = x[0].size(1), width = x[0].size(2);
  Tensor sum;
  for (size_t i = 0; i < convs.size(); ++i) {
    Tensor h = convs[i](norms.empty() ? x[i] : norms[i](x[i], c.level));
    if (h.size(1) != height || h.size(2) != width) h = ops::bilinear_resize(h, height, width);
    sum = sum ? sum + h : h;
  }
  return sum;
}

void Fusion::list(ParameterList& list) {
  for (size_t i = 0; i < convs.size(); ++i)
    list.part(numbered("conv.", i), numbered("convs.", i), convs[i]);
  for (size_t i = 0; i < norms.size(); ++i)
    list.part(numbered("norm.", i), numbered("norms.", i), norms[i]);
}

PoolingChain::PoolingChain(Init& init, int channels, const RefineStyle& style)
    : pooling(style.pooling) {
  for (int s = 0; s < kStages; ++s) {
    convs.emplace_back(init, channels, channels, 3, kNoBias);
    if (style.levels > 0) norms.emplace_back(init, channels, style.levels);
  }
}

Tensor PoolingChain::operator()(const Tensor& x, const RefineContext& c) const {
  Tensor path = activate(c.activation, x), sum = path;
  for (size_t i = 0; i < convs.size(); ++i) {
    if (!norms.empty()) path = norms[i](path, c.level);
    path = convs[i](pool(path, pooling));
    sum = path + sum;
  }
  return sum;
}

void PoolingChain::list(ParameterList& list) {
  for (size_t i = 0; i < convs.size(); ++i)
    list.part(numbered("conv.", i), numbered("convs.", i), convs[i]);
  for (size_t i = 0; i < norms.size(); ++i)
    list.part(numbered("norm.", i), numbered("norms.", i), norms[i]);
}

RefineBlock::RefineBlock(Init& init, const std::vector<int>& in, int out, Place place,
                         const RefineStyle& style) {
  for (const int channels : in) adapt.emplace_back(init, channels, 2, style);
  output = ResidualUnit(init, out, place == Place::last ? 3 : 1, style);
  if (in.size() > 1) fusion = Fusion(init, in, out, style);
  chain = PoolingChain(init, out, style);
}

Tensor RefineBlock::operator()(const std::vector<Tensor>& x, const RefineContext& c) const {
  std::vector<Tensor> h;
  for (size_t i = 0; i < adapt.size(); ++i) h.push_back(adapt[i](x[i], c));
  return output(chain(fusion ? (*fusion)(h, c) : h[0], c), c);
}

void RefineBlock::list(ParameterList& list) {
  for (size_t i = 0; i < adapt.size(); ++i)
    list.part(numbered("adapt.", i), numbered("adapt_convs.", i), adapt[i]);
  list.part("output", "output_convs", output);
  if (fusion) list.part("fusion", "msf", *fusion);
  list.part("chain", "crp", chain);
}

}  // namespace ito::nn
