// Layers of NCSN++, DDPM++ and DDPM: norms, attention, embeddings, residual blocks.
#include "kernels/binary/op.h"
#include "kernels/concat/op.h"
#include "kernels/fourier_embedding/op.h"
#include "kernels/sinusoidal_embedding/op.h"
#include "kernels/unary/op.h"
#include "models/unet/res_block.h"
#include "tools/golden/layer_case.h"

namespace ito::golden {
namespace {

constexpr double kLargeMeanLimit = 2e-4;     // the mean is much larger than the deviations from it,
constexpr double kLargeMeanBf16Limit = 0.5;  // of which 8 bits leave little
constexpr double kEmbeddingLimit = 1e-4;     // arguments of the sine up to 1e3, rounded to fp32
constexpr int kDdpmGroups = 32;

nn::SkipScale skip_scale_of(const Case& c) {
  return c.flag("skip_rescale", false) ? nn::SkipScale::inverse_sqrt2 : nn::SkipScale::one;
}

int groups_option(const Case& c, int fallback) {
  return static_cast<int>(c.number("groups", fallback));
}

void run_group_norm(CaseRun& run) {
  const Case& c = run.golden();
  nn::GroupNorm norm(size_in(c, "weight", 0), groups_option(c, 0));
  const bool silu = c.name.find("silu") != std::string::npos || c.text("act", "") == "SiLU";
  const ops::GroupNormAttrs attrs{
      .groups = norm.groups,
      .eps = c.number("eps", 1e-6),
      .activation = silu ? ops::NormActivation::silu : ops::NormActivation::identity};
  const bool large_mean = c.name.find("largemean") != std::string::npos;
  LayerCase layer{.parameters = parameters_in(norm), .apply = [&](const Tensors& x) {
                    return ops::group_norm_silu(x[0], norm.weight, norm.bias, attrs);
                  }};
  if (large_mean) {
    const bool coarse = run.mode().precision == Precision::bf16;
    layer.limit = coarse ? kLargeMeanBf16Limit : kLargeMeanLimit;
  }
  check_layer(run, layer);
}

void run_attention_with(CaseRun& run, int default_groups) {
  const Case& c = run.golden();
  nn::Init init(0);
  nn::AttentionBlock block(init, size_in(c, "NIN_0.W", 0), groups_option(c, default_groups), 1,
                           skip_scale_of(c));
  check_layer(run, {.parameters = parameters_in(block),
                    .apply = [&](const Tensors& x) { return block(x[0]); }});
}

void run_nin(CaseRun& run) {
  const Case& c = run.golden();
  nn::Init init(0);
  nn::Linear map = nn::nin(init, size_in(c, "W", 0), size_in(c, "W", 1));
  check_layer(run, {.parameters = parameters_in(map),
                    .apply = [&](const Tensors& x) { return map(x[0]); }});
}

/// The pyramid x enters the other branch y through a 1 x 1 convolution.
void run_combine(CaseRun& run) {
  const Case& c = run.golden();
  const std::string method = c.text("method", c.name);
  const bool concatenate = method.find("cat") != std::string::npos;
  if (!concatenate && method.find("sum") == std::string::npos) throw Unknown("method:" + method);
  struct Combine {
    nn::Conv2d conv;
    void list(nn::ParameterList& list) { list.part("conv", "Conv_0", conv); }
  };
  nn::Init init(0);
  Combine combine{nn::Conv2d(init, size_in(c, "Conv_0.weight", 1), size_in(c, "Conv_0.weight", 0),
                             size_in(c, "Conv_0.weight", 2))};
  check_layer(
      run,
      {.parameters = parameters_in(combine), .inputs = {"x", "y"}, .apply = [&](const Tensors& x) {
         const Tensor p = combine.conv(x[0]);
         return concatenate ? ops::concat({p, x[1]}, -1) : p + x[1];
       }});
}

void run_timestep_embedding(CaseRun& run) {
  const Case& c = run.golden();
  if (c.number("max_positions", 10000) != 10000) throw Unknown("option:max_positions");
  const auto dim = static_cast<int64_t>(c.number("dim", size_in(c, "output.y", 1)));
  check_layer(run, {.inputs = {"t"},
                    .apply = [&](const Tensors& t) { return ops::sinusoidal_embedding(t[0], dim); },
                    .limit = kEmbeddingLimit,
                    .kind = LayerCase::Inputs::noise_levels});
}

void run_fourier_embedding(CaseRun& run) {
  const Case& c = run.golden();
  const bool takes_sigma = c.name.find("logsigma") != std::string::npos ||
                           c.text("note", "").find("log(sigma)") != std::string::npos;
  const Tensor frequencies = run.input("W");
  check_layer(run, {.apply =
                        [&](const Tensors& x) {
                          const Tensor u = takes_sigma ? ops::log(x[0]) : x[0];
                          return ops::fourier_embedding(u, frequencies);
                        },
                    .limit = kEmbeddingLimit,
                    .kind = LayerCase::Inputs::noise_levels});
}

nn::ResBlock::Resampling resampling_of(const Case& c) {
  if (c.flag("up", false)) return nn::ResBlock::Resampling::up;
  return c.flag("down", false) ? nn::ResBlock::Resampling::down : nn::ResBlock::Resampling::none;
}

void run_res_block(CaseRun& run, nn::BlockStyle style) {
  const Case& c = run.golden();
  const int out = size_in(c, "Conv_0.weight", 0), in = size_in(c, "Conv_0.weight", 1);
  const bool has_embedding = c.has("Dense_0.weight");
  style.activation = activation_option(c, "SiLU");
  style.skip_scale = skip_scale_of(c);
  style.groups = groups_option(c, style.groups);
  style.embedding = has_embedding ? size_in(c, "Dense_0.weight", 1) : 1;
  if (c.flag("fir", false)) style.taps = taps_option(c);
  nn::Init init(0);
  nn::ResBlock block(init, in, out, style, resampling_of(c));
  if (style.kind == nn::BlockStyle::Kind::ddpm && c.flag("conv_shortcut", false) && in != out) {
    block.skip_linear.reset();
    block.skip_conv = nn::Conv2d(init, in, out, 3);
  }
  LayerCase layer{.parameters = parameters_in(block), .apply = [&](const Tensors& x) {
                    const nn::ForwardOptions options;
                    const Tensor embedding =
                        x.size() > 1 ? nn::activate(style.activation, x[1]) : Tensor();
                    return block(x[0], {.embedding = embedding, .options = options});
                  }};
  if (c.has("input.temb")) layer.inputs.push_back("temb");
  if (!has_embedding) {
    std::erase_if(layer.parameters,
                  [](const auto& p) { return p.reference_name.starts_with("Dense_0."); });
  }
  check_layer(run, layer);
}

constexpr auto kBigGan = nn::BlockStyle::Kind::biggan, kDdpm = nn::BlockStyle::Kind::ddpm;

constexpr LayerKind kKinds[] = {
    {"gn", run_group_norm},
    {"GroupNorm", run_group_norm},
    {"AttnBlockpp", [](CaseRun& run) { run_attention_with(run, 0); }},
    {"AttnBlock", [](CaseRun& run) { run_attention_with(run, kDdpmGroups); }},
    {"NIN", run_nin},
    {"Combine", run_combine},
    {"timestep", run_timestep_embedding},
    {"fourier", run_fourier_embedding},
    {"GaussianFourierProjection", run_fourier_embedding},
    {"ResnetBlockBigGANpp", [](CaseRun& run) { run_res_block(run, {.kind = kBigGan}); }},
    {"ResnetBlockDDPMpp", [](CaseRun& run) { run_res_block(run, {.kind = kDdpm}); }},
    {"ResnetBlockDDPM",
     [](CaseRun& run) { run_res_block(run, {.kind = kDdpm, .groups = kDdpmGroups}); }},
};

}  // namespace

std::span<const LayerKind> unet_layers() { return kKinds; }

}  // namespace ito::golden
