// Layers of NCSN and NCSNv2: their norms and the blocks of RefineNet. The blocks of NCSN (Cond...)
// have conditional norms, whose noise levels are the input y.
#include "kernels/mean_pool/op.h"
#include "models/layers/variance_norm.h"
#include "models/refinenet/blocks.h"
#include "tools/golden/layer_case.h"

namespace ito::golden {
namespace {

/// Noise levels of the conditional norms; 0 where there are none.
int levels_in(const Case& c) {
  for (const auto& [name, tensor] : c.arrays.tensors) {
    if (name.ends_with("embed.weight") && !name.starts_with("grad.")) {
      return static_cast<int>(tensor.size(0));
    }
  }
  return 0;
}

nn::RefineStyle style_of(const Case& c) {
  const bool mean =
      levels_in(c) > 0 || c.name.find("avg") != std::string::npos || !c.flag("maxpool", true);
  return {.activation = activation_option(c, "ELU"),
          .levels = levels_in(c),
          .pooling = mean ? nn::Pooling::mean : nn::Pooling::maximum};
}

nn::RefineContext context_of(const CaseRun& run) {
  const Case& c = run.golden();
  return {activation_option(c, "ELU"),
          levels_in(c) > 0 ? c.at("input.y").to(run.mode().device) : Tensor()};
}

void run_instance_norm_plus(CaseRun& run) {
  const Case& c = run.golden();
  if (!c.flag("bias", true)) throw Unknown("option:bias");
  const int levels = levels_in(c);
  const int channels = levels > 0 ? size_in(c, "embed.weight", 1) / 3 : size_in(c, "alpha", 0);
  nn::Init init(0);
  nn::InstanceNormPlus norm(init, channels, levels);
  const Tensor level = context_of(run).level;
  check_layer(run, {.parameters = parameters_in(norm),
                    .apply = [&](const Tensors& x) { return norm(x[0], level); }});
}

void run_variance_norm(CaseRun& run) {
  nn::Init init(0);
  nn::VarianceNorm norm(init, size_in(run.golden(), "alpha", 0));
  check_layer(run, {.parameters = parameters_in(norm),
                    .apply = [&](const Tensors& x) { return norm(x[0]); }});
}

/// How many arrays BEFORE<number>AFTER there are, counted from `first`.
int count_of(const Case& c, const std::string& before, const std::string& after, int first = 0) {
  int n = 0;
  while (c.has(before + std::to_string(first + n) + after)) ++n;
  return n;
}

void run_residual_unit(CaseRun& run) {
  const Case& c = run.golden();
  const int blocks = count_of(c, "", "_1_conv.weight", 1);
  const int stages = count_of(c, "1_", "_conv.weight", 1);
  if (blocks == 0) throw Unknown("no-convolutions");
  nn::Init init(0);
  nn::ResidualUnit unit(init, size_in(c, "1_1_conv.weight", 0), blocks, style_of(c));
  for (auto& block : unit.blocks) {
    block.resize(static_cast<size_t>(stages), nn::ResidualUnit::Stage(block.front()));
  }
  const nn::RefineContext context = context_of(run);
  check_layer(run, {.parameters = parameters_in(unit),
                    .apply = [&](const Tensors& x) { return unit(x[0], context); }});
}

void run_pooling_chain(CaseRun& run) {
  const Case& c = run.golden();
  const auto stages = static_cast<size_t>(count_of(c, "convs.", ".weight"));
  if (stages == 0) throw Unknown("no-convolutions");
  nn::Init init(0);
  nn::PoolingChain chain(init, size_in(c, "convs.0.weight", 0), style_of(c));
  chain.convs.resize(stages, nn::PlainConv(chain.convs.front()));
  if (!chain.norms.empty()) chain.norms.resize(stages, nn::InstanceNormPlus(chain.norms.front()));
  const nn::RefineContext context = context_of(run);
  check_layer(run, {.parameters = parameters_in(chain),
                    .apply = [&](const Tensors& x) { return chain(x[0], context); }});
}

/// Inputs x1, x2, ... of blocks that join several resolutions; x of one that has a single input.
std::vector<std::string> inputs_of(const Case& c) {
  if (c.has("input.x")) return {"x"};
  std::vector<std::string> names;
  const int n = count_of(c, "input.x", "", 1);
  for (int i = 1; i <= n; ++i) names.push_back("x" + std::to_string(i));
  return names;
}

/// Sizes of axis `axis` of the arrays BEFORE0AFTER, BEFORE1AFTER, ...
std::vector<int> sizes_in(const Case& c, const std::string& before, const std::string& after,
                          int axis) {
  std::vector<int> sizes;
  const int n = count_of(c, before, after);
  for (int i = 0; i < n; ++i) sizes.push_back(size_in(c, before + std::to_string(i) + after, axis));
  return sizes;
}

void run_fusion(CaseRun& run) {
  const Case& c = run.golden();
  nn::Init init(0);
  nn::Fusion fusion(init, sizes_in(c, "convs.", ".weight", 1), size_in(c, "convs.0.weight", 0),
                    style_of(c));
  const nn::RefineContext context = context_of(run);
  check_layer(run, {.parameters = parameters_in(fusion),
                    .inputs = inputs_of(c),
                    .apply = [&](const Tensors& x) { return fusion(x, context); }});
}

void run_refine_block(CaseRun& run) {
  const Case& c = run.golden();
  const bool last = c.flag("end", false);
  nn::Init init(0);
  nn::RefineBlock block(
      init, sizes_in(c, "adapt_convs.", ".1_1_conv.weight", 0), size_in(c, "crp.convs.0.weight", 0),
      last ? nn::RefineBlock::Place::last : nn::RefineBlock::Place::middle, style_of(c));
  const nn::RefineContext context = context_of(run);
  check_layer(run, {.parameters = parameters_in(block),
                    .inputs = inputs_of(c),
                    .apply = [&](const Tensors& x) { return block(x, context); }});
}

void run_dilated_block(CaseRun& run) {
  const Case& c = run.golden();
  const std::string resample = c.text("resample", "none");
  if (resample != "none" && resample != "down") throw Unknown("resample:" + resample);
  const bool down = resample == "down";
  const int dilation = static_cast<int>(c.number("dilation", 1));
  const std::string last = down && dilation == 1 ? "conv2.conv.weight" : "conv2.weight";
  nn::Init init(0);
  nn::DilatedBlock block(init, size_in(c, "conv1.weight", 1), size_in(c, last, 0),
                         down ? nn::DilatedBlock::Size::down : nn::DilatedBlock::Size::same,
                         dilation, style_of(c));
  const nn::RefineContext context = context_of(run);
  check_layer(run, {.parameters = parameters_in(block),
                    .apply = [&](const Tensors& x) { return block(x[0], context); }});
}

/// The half-size convolution of a block that goes down.
void run_conv_mean_pool(CaseRun& run) {
  const Case& c = run.golden();
  if (c.flag("adjust_padding", false)) throw Unknown("option:adjust_padding");
  const auto bias = c.has("conv.bias") ? nn::PlainConv::Bias::present : nn::PlainConv::Bias::absent;
  struct Conv {
    nn::PlainConv conv;
    void list(nn::ParameterList& list) { list.part("conv", "conv", conv); }
  };
  nn::Init init(0);
  Conv layer{nn::PlainConv(init, size_in(c, "conv.weight", 1), size_in(c, "conv.weight", 0),
                           size_in(c, "conv.weight", 2), bias)};
  check_layer(run, {.parameters = parameters_in(layer), .apply = [&](const Tensors& x) {
                      return ops::mean_pool(layer.conv(x[0]), 2);
                    }});
}

constexpr LayerKind kKinds[] = {
    {"InstanceNorm2dPlus", run_instance_norm_plus},
    {"ConditionalInstanceNorm2dPlus", run_instance_norm_plus},
    {"VarianceNorm2d", run_variance_norm},
    {"RCUBlock", run_residual_unit},
    {"CondRCUBlock", run_residual_unit},
    {"CRPBlock", run_pooling_chain},
    {"CondCRPBlock", run_pooling_chain},
    {"MSFBlock", run_fusion},
    {"CondMSFBlock", run_fusion},
    {"RefineBlock", run_refine_block},
    {"CondRefineBlock", run_refine_block},
    {"ResidualBlock", run_dilated_block},
    {"ConditionalResidualBlock", run_dilated_block},
    {"ConvMeanPool", run_conv_mean_pool},
};

}  // namespace

std::span<const LayerKind> refinenet_layers() { return kKinds; }

}  // namespace ito::golden
