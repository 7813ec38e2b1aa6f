#include "tools/import/diffusers_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

constexpr int kMostChannels = 1 << 16;
constexpr int kMostPixels = 1024;
constexpr int kGroups = 32;  // of the norms that do not follow the width

/// Keys that this reader looks at. Another one may change the network, so it is refused.
constexpr std::string_view kKnown[] = {
    "act_fn",
    "add_attention",
    "attention_head_dim",
    "attn_norm_num_groups",
    "block_out_channels",
    "center_input_sample",
    "class_embed_type",
    "down_block_types",
    "downsample_padding",
    "downsample_type",
    "dropout",
    "flip_sin_to_cos",
    "freq_shift",
    "in_channels",
    "layers_per_block",
    "mid_block_scale_factor",
    "mid_block_type",
    "norm_eps",
    "norm_num_groups",
    "num_class_embeds",
    "num_train_timesteps",
    "out_channels",
    "resnet_time_scale_shift",
    "sample_size",
    "time_embedding_type",
    "up_block_types",
    "upsample_type",
};

[[noreturn]] void refuse(const JsonObject& config, const std::string& fact) {
  fail(ErrorCode::file_unknown, config.path().string(), fact,
       "this network cannot be expressed; docs/import.md lists those that can");
}

/// The value must be one of `accepted`, written as JSON.
void require(const JsonObject& config, const char* key, const char* absent,
             std::initializer_list<const char*> accepted, const std::string& why) {
  const std::string found = config.shown(key, absent);
  for (const char* value : accepted) {
    if (found == value) return;
  }
  refuse(config, std::string(key) + " is " + found + ", " + why);
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

void require_near(const JsonObject& config, const char* key, double absent, double needed) {
  if (near(config.number(key, absent), needed)) return;
  refuse(config, std::string(key) + " is " + config.shown(key, "absent") + ", our networks have " +
                     detail::number_text(needed));
}

enum class Kind : uint8_t { ddpm, ncsnpp };

/// Whether a block has attention; refuses blocks of another kind.
bool attends(const JsonObject& config, const std::string& key, const std::string& block, Kind kind,
             const char* direction) {
  const std::string base =
      (kind == Kind::ncsnpp ? "Skip" : "") + std::string(direction) + "Block2D";
  if (block == base) return false;
  if (block == "Attn" + base) return true;
  refuse(config, key + " has " + block + " where " + base + " or Attn" + base + " can be imported");
}

/// Which levels have attention, the highest resolution first.
std::vector<bool> attention_levels(const JsonObject& config, Kind kind, size_t levels) {
  const auto down = config.texts("down_block_types");
  auto up = config.texts("up_block_types");
  if (down.size() != levels || up.size() != levels) {
    refuse(config, "block_out_channels has " + std::to_string(levels) +
                       " levels, down_block_types " + std::to_string(down.size()) +
                       " and up_block_types " + std::to_string(up.size()));
  }
  std::ranges::reverse(up);
  std::vector<bool> list;
  for (size_t l = 0; l < levels; ++l) {
    list.push_back(attends(config, "down_block_types", down[l], kind, "Down"));
    const bool up_attends = attends(config, "up_block_types", up[l], kind, "Up");
    if (up_attends != list.back()) {
      refuse(config, "up_block_types has " + up[l] + " at the resolution of " + down[l] +
                         ", our networks have attention in both or in none");
    }
  }
  return list;
}

/// One head over all channels, wherever there is attention.
void check_attention(const JsonObject& config, Kind kind, const std::vector<int>& widths,
                     const std::vector<bool>& attention) {
  const char* key = "attention_head_dim";
  for (size_t l = 0; l < widths.size(); ++l) {
    const bool middle = l + 1 == widths.size();
    if (!attention[l] && !middle) continue;
    const bool null = config.shown(key, "8") == "null";
    if (!null && config.integer(key, 1, kMostChannels, 8) != widths[l]) {
      refuse(config, std::string(key) + " is " + config.shown(key, "8 by default") + " with " +
                         std::to_string(widths[l]) + " channels, our attention has one head");
    }
    if (kind == Kind::ncsnpp && attention[l] && widths[l] < 4 * kGroups) {
      refuse(config, "block_out_channels has " + std::to_string(widths[l]) +
                         " with attention of 32 groups, ours has a quarter of the channels");
    }
  }
}

void check_common(const JsonObject& config) {
  for (const std::string& key : config.keys()) {
    const bool known = key.starts_with("_") || std::ranges::find(kKnown, key) != std::end(kKnown);
    if (!known && !config.is_null(key)) {
      refuse(config, "has the unknown key " + key.substr(0, 60) + " with the value " +
                         config.shown(key, ""));
    }
  }
  require(config, "_class_name", "\"UNet2DModel\"", {"\"UNet2DModel\""},
          "only UNet2DModel can be imported");
  require(config, "act_fn", "\"silu\"", {"\"silu\"", "\"swish\""}, "our networks have silu");
  require(config, "resnet_time_scale_shift", "\"default\"", {"\"default\""},
          "our blocks add the time embedding");
  require(config, "add_attention", "true", {"true"}, "our networks attend in the middle");
  require(config, "mid_block_type", "\"UNetMidBlock2D\"", {"\"UNetMidBlock2D\""},
          "our networks attend in the middle");
  for (const char* key : {"class_embed_type", "num_class_embeds"}) {
    require(config, key, "null", {"null"}, "our networks take no class");
  }
  require(config, "attn_norm_num_groups", "null", {"null"}, "our networks have one rule for norms");
  require_near(config, "norm_eps", 1e-5, 1e-6);
}

void check_ddpm(const JsonObject& config) {
  require(config, "time_embedding_type", "\"positional\"", {"\"positional\""},
          "a DDPM has sinusoids");
  require(config, "freq_shift", "0", {"1", "1.0"}, "our sinusoids need 1");
  require(config, "downsample_padding", "1", {"0"}, "our networks pad right and bottom, 0");
  require(config, "downsample_type", "\"conv\"", {"\"conv\""}, "our DDPM has convolutions there");
  require(config, "upsample_type", "\"conv\"", {"\"conv\""}, "our DDPM has convolutions there");
  require(config, "norm_num_groups", "32", {"32"}, "our DDPM has 32 groups");
  require_near(config, "mid_block_scale_factor", 1, 1);
}

void check_ncsnpp(const JsonObject& config) {
  require(config, "time_embedding_type", "\"positional\"", {"\"fourier\""},
          "an NCSN++ of this kind has Fourier features");
  require(config, "norm_num_groups", "32", {"null"}, "our groups follow the width, null");
  require_near(config, "mid_block_scale_factor", 1, std::numbers::sqrt2);
}

int image_size(const JsonObject& config) {
  if (config.shown("sample_size", "").starts_with("[")) {
    const auto sides = config.integers("sample_size", 1, kMostPixels);
    if (sides.size() == 2 && sides[0] == sides[1]) return sides[0];
    refuse(config, "sample_size is " + config.shown("sample_size", "") + ", our images are square");
  }
  if (config.is_null("sample_size")) refuse(config, "sample_size is null, the images have no size");
  return config.integer("sample_size", 1, kMostPixels, 0);
}

}  // namespace

Settings model_settings(const JsonObject& config) {
  check_common(config);
  const std::vector<int> widths = config.integers("block_out_channels", 1, kMostChannels);
  const auto blocks = config.texts("down_block_types");
  if (widths.empty() || blocks.empty()) refuse(config, "block_out_channels or its blocks are none");
  const Kind kind = blocks.front().find("Skip") == std::string::npos ? Kind::ddpm : Kind::ncsnpp;
  kind == Kind::ddpm ? check_ddpm(config) : check_ncsnpp(config);
  const std::vector<bool> attention = attention_levels(config, kind, widths.size());
  check_attention(config, kind, widths, attention);

  const int size = image_size(config), channels = config.integer("in_channels", 1, 3, 3);
  if (config.integer("out_channels", 1, kMostChannels, 3) != channels ||
      (kind == Kind::ncsnpp && channels != 3)) {
    refuse(config, "in_channels is " + std::to_string(channels) + " and out_channels " +
                       config.shown("out_channels", "3"));
  }
  std::vector<double> multiples, resolutions;
  for (size_t l = 0; l < widths.size(); ++l) {
    if (widths[l] % widths[0] != 0) {
      refuse(config, "block_out_channels is " + config.shown("block_out_channels", "") +
                         ", our networks have multiples of the first");
    }
    multiples.push_back(widths[l] / widths[0]);
    if (attention[l]) resolutions.push_back(size >> l);
  }
  Settings s;
  s["data.image_size"] = int64_t{size};
  s["data.channels"] = int64_t{channels};
  s["data.centered"] = !config.flag("center_input_sample", false);
  s["model.nf"] = int64_t{widths[0]};
  s["model.ch_mult"] = multiples;
  s["model.num_res_blocks"] = int64_t{config.integer("layers_per_block", 1, 64, 2)};
  s["model.attn_resolutions"] = resolutions;
  s["model.up_attention"] = std::string(kind == Kind::ddpm ? "every" : "last");
  s["model.dropout"] = config.number("dropout", 0);
  s["model.conditional"] = true;
  s["model.nonlinearity"] = std::string("swish");
  s["model.resamp_with_conv"] = true;
  s["model.scale_by_sigma"] = kind == Kind::ncsnpp;
  s["model.name"] = std::string(kind == Kind::ddpm ? "ddpm" : "ncsnpp");
  if (kind == Kind::ddpm) return s;
  s["model.fir"] = true;
  s["model.fir_kernel"] = std::vector<double>{1, 3, 3, 1};
  s["model.skip_rescale"] = true;
  s["model.resblock_type"] = std::string("biggan");
  s["model.progressive"] = std::string("output_skip");
  s["model.progressive_input"] = std::string("input_skip");
  s["model.progressive_combine"] = std::string("sum");
  s["model.embedding_type"] = std::string("fourier");
  return s;
}

Settings sde_settings(const JsonObject& scheduler) {
  const std::string name = scheduler.text("_class_name", "");
  Settings s;
  if (name == "ScoreSdeVeScheduler") {
    const int levels = scheduler.integer("num_train_timesteps", 1, 1 << 20, 2000);
    s["sde.name"] = std::string("ve");
    s["sde.num_scales"] = int64_t{levels};
    s["sde.sigma_min"] = scheduler.number("sigma_min", 0.01);
    s["sde.sigma_max"] = scheduler.number("sigma_max", 1348);
    s["objective.kind"] = std::string("dsm");
    s["objective.continuous"] = true;
    s["sampling.predictor"] = std::string("reverse_diffusion");
    s["sampling.corrector"] = std::string("langevin");
    s["sampling.corrector_steps"] = int64_t{scheduler.integer("correct_steps", 0, 1000, 1)};
    s["sampling.snr"] = scheduler.number("snr", 0.15);
    s["sampling.eps"] = scheduler.number("sampling_eps", 1e-5);
    s["sampling.steps"] = int64_t{levels};
    return s;
  }
  if (name != "DDPMScheduler" && name != "DDIMScheduler" && name != "PNDMScheduler") {
    refuse(scheduler, "_class_name is " + scheduler.shown("_class_name", "absent") +
                          ", whose numbers are not those of one of our SDEs");
  }
  require(scheduler, "beta_schedule", "\"linear\"", {"\"linear\""}, "the VP SDE has linear betas");
  require(scheduler, "trained_betas", "null", {"null"}, "the VP SDE has linear betas");
  require(scheduler, "prediction_type", "\"epsilon\"", {"\"epsilon\""},
          "our networks predict the noise");
  const int levels = scheduler.integer("num_train_timesteps", 1, 1 << 20, 1000);
  s["sde.name"] = std::string("vp");
  s["sde.num_scales"] = int64_t{levels};
  s["sde.beta_min"] = levels * scheduler.number("beta_start", 1e-4);
  s["sde.beta_max"] = levels * scheduler.number("beta_end", 0.02);
  s["objective.kind"] = std::string("ddpm");
  s["objective.continuous"] = false;
  s["sampling.predictor"] = std::string("ancestral_sampling");
  s["sampling.corrector"] = std::string("none");
  s["sampling.steps"] = int64_t{levels};
  return s;
}

}  // namespace ito::tools
