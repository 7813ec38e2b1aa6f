#include "models/config.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "engine/core/check.h"

namespace ito::nn {
namespace {

void check(bool good, const char* key, const std::string& fact, const char* fix) {
  if (!good) fail(ErrorCode::bad_value, std::string("model.") + key, fact, fix);
}

void check_choice(const std::string& value, const char* key,
                  std::initializer_list<const char*> choices) {
  std::string list;
  for (const char* choice : choices) {
    if (value == choice) return;
    list += (list.empty() ? "" : ", ") + std::string(choice);
  }
  check(false, key, "is \"" + value + "\"", ("use one of " + list).c_str());
}

void check_classifier(const ModelConfig& m) {
  check(m.depth >= 10 && m.depth <= 1000 && m.depth % 6 == 4, "depth",
        "is " + std::to_string(m.depth),
        "use 10, 16, 22, 28, ...: 4 + 6 times the blocks per group");
  check(m.widen_factor >= 1 && m.widen_factor <= 64, "widen_factor",
        "is " + std::to_string(m.widen_factor), "use 1 to 64");
  check(m.conditional, "conditional", "is false", "use true: a classifier is told the noise level");
  check(m.embedding_type == "fourier", "embedding_type", "is \"" + m.embedding_type + "\"",
        "use fourier: a classifier is told the logarithm of sigma");
  check(!m.scale_by_sigma, "scale_by_sigma", "is true",
        "use false: logits are not divided by sigma");
}

}  // namespace

void ModelConfig::fields(Fields& f) {
  f.section("model");
  f.add("name", &name,
        "ncsnpp (NCSN++ and DDPM++), ddpm, ncsn, ncsnv2_64, ncsnv2_128, ncsnv2_256, mlp (2-D "
        "data) or wideresnet (a classifier)");
  f.add("nf", &nf, "channels of the first level, a multiple of 4; wideresnet: frequencies");
  f.add("ch_mult", &ch_mult, "channels of each level, in multiples of nf");
  f.add("num_res_blocks", &num_res_blocks, "residual blocks per level; mlp: hidden layers");
  f.add("attn_resolutions", &attn_resolutions, "image sizes with attention after the blocks");
  f.add("up_attention", &up_attention,
        "on the way up: after the last block of a level, or after every block: last, every");
  f.add("dropout", &dropout, "rate in [0, 1), in training only");
  f.add("resamp_with_conv", &resamp_with_conv, "ddpm blocks: convolution in the resampling");
  f.add("conditional", &conditional, "the network is told the noise level");
  f.add("fir", &fir, "resample with fir_kernel instead of nearest / 2x2 mean");
  f.add("fir_kernel", &fir_kernel, "taps of the FIR filter");
  f.add("skip_rescale", &skip_rescale, "residual sums times 1/sqrt(2)");
  f.add("resblock_type", &resblock_type, "biggan or ddpm");
  f.add("progressive", &progressive, "output pyramid: none, output_skip or residual");
  f.add("progressive_input", &progressive_input, "input pyramid: none, input_skip or residual");
  f.add("progressive_combine", &progressive_combine, "sum or cat");
  f.add("embedding_type", &embedding_type, "positional or fourier");
  f.add("fourier_scale", &fourier_scale, "standard deviation of the random frequencies, > 0");
  f.add("init_scale", &init_scale, "of the last convolution in a block; 0 stands for 1e-10");
  f.add("scale_by_sigma", &scale_by_sigma, "divide the output by sigma");
  f.add("nonlinearity", &nonlinearity, "swish, elu, relu or lrelu");
  f.add("learned_variance", &learned_variance,
        "twice the output channels: the noise, then what the variances are made of (iddpm)");
  f.add(
      "energy", &energy,
      "the score is minus the gradient of E = |x - network(x)|^2 / 2; about three times the work");
  f.add("energy_output", &energy_output,
        "what the network of an energy returns: score, -dE/dx, where the score is that times a "
        "positive number (ve); noise, dE/dx, where it is the noise times a negative one (others)");
  f.add("num_classes", &num_classes,
        "of a classifier, 0: what the data set has; of ncsnpp, ddpm and mlp: classes that the "
        "network is told, 0: none");
  f.add("depth", &depth, "wideresnet: 4 + 6 times the blocks per group, 10 to 1000");
  f.add("widen_factor", &widen_factor, "wideresnet: k, for 16 k, 32 k and 64 k channels");
}

void ImageConfig::fields(Fields& f) {
  f.section("data");
  f.add("image_size", &image_size, "height = width in pixels");
  f.add("channels", &channels, "1 grey, 2 points, 3 RGB");
  f.add("centered", &centered, "data in [-1, 1] instead of [0, 1]");
  f.section("sde");
  f.add("sigma_min", &sigma_min, "smallest noise level of VE");
  f.add("sigma_max", &sigma_max, "largest noise level of VE");
  f.add("num_scales", &num_scales, "number of discrete noise levels");
}

void ModelConfig::validate() const {
  check_choice(
      name, "name",
      {"ncsnpp", "ddpm", "ncsn", "ncsnv2_64", "ncsnv2_128", "ncsnv2_256", "mlp", "wideresnet"});
  check(nf >= 4 && nf % 4 == 0 && nf <= 4096, "nf", "is " + std::to_string(nf),
        "use a multiple of 4, at most 4096");
  check(name != "ddpm" || nf % 32 == 0, "nf", "is " + std::to_string(nf),
        "use a multiple of 32: the norms of ddpm have 32 groups");
  check(!ch_mult.empty() && ch_mult.size() <= 12 && std::ranges::min(ch_mult) >= 1 &&
            std::ranges::max(ch_mult) <= 256,
        "ch_mult", "is empty, too long or out of range", "use one multiple in 1..256 per level");
  check(num_res_blocks >= 1 && num_res_blocks <= 64, "num_res_blocks",
        "is " + std::to_string(num_res_blocks), "use 1 to 64");
  check(dropout >= 0 && dropout < 1, "dropout", "is " + std::to_string(dropout),
        "use a rate in [0, 1)");
  check(!fir_kernel.empty() && fir_kernel.size() <= 16, "fir_kernel",
        "has " + std::to_string(fir_kernel.size()) + " taps", "use 1 to 16 taps");
  check(fourier_scale > 0, "fourier_scale", "is " + std::to_string(fourier_scale),
        "use a positive scale");
  check(init_scale >= 0, "init_scale", "is " + std::to_string(init_scale), "use 0 or more");
  check(num_classes >= 0 && num_classes <= 256, "num_classes", "is " + std::to_string(num_classes),
        "use 0 to 256");
  check_choice(resblock_type, "resblock_type", {"biggan", "ddpm"});
  check_choice(progressive, "progressive", {"none", "output_skip", "residual"});
  check_choice(progressive_input, "progressive_input", {"none", "input_skip", "residual"});
  check_choice(progressive_combine, "progressive_combine", {"sum", "cat"});
  check_choice(up_attention, "up_attention", {"last", "every"});
  check_choice(embedding_type, "embedding_type", {"positional", "fourier"});
  check_choice(nonlinearity, "nonlinearity", {"swish", "elu", "relu", "lrelu"});
  const bool is_unet_or_mlp = name == "ncsnpp" || name == "ddpm" || name == "mlp";
  check(num_classes == 0 || is_unet_or_mlp || name == "wideresnet", "num_classes",
        "is " + std::to_string(num_classes), "use 0: this network takes no class");
  check(num_classes == 0 || conditional, "conditional", "is false with num_classes > 0",
        "use true: the class is added to the embedding of the noise level");
  check(!learned_variance || (is_unet_or_mlp && !energy), "learned_variance", "is true",
        "use it with ncsnpp, ddpm or mlp, and energy = false");
  check_choice(energy_output, "energy_output", {"score", "noise"});
  check(!energy || name != "wideresnet", "energy", "is true", "use false for a classifier");
  if (name == "wideresnet") check_classifier(*this);
}

}  // namespace ito::nn
