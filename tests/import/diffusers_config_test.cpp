// The JSON files of diffusers: what they mean, what cannot be expressed, and files made to harm.
#include <gtest/gtest.h>

#include "tests/import/support.h"
#include "tools/import/diffusers_config.h"

namespace ito::tools {
namespace {

using namespace std::string_literals;
using enum ErrorCode;
using test::expect_failure;

/// Pairs of a key and its JSON text; a later pair replaces an earlier one, "" leaves a key out.
using Pairs = std::vector<std::pair<std::string, std::string>>;

const Pairs kDdpm = {{"_class_name", "\"UNet2DModel\""},
                     {"sample_size", "32"},
                     {"block_out_channels", "[128, 256, 256]"},
                     {"down_block_types", R"(["DownBlock2D", "DownBlock2D", "DownBlock2D"])"},
                     {"up_block_types", R"(["UpBlock2D", "UpBlock2D", "UpBlock2D"])"},
                     {"attention_head_dim", "null"},
                     {"norm_eps", "1e-06"},
                     {"freq_shift", "1"},
                     {"downsample_padding", "0"}};
const Pairs kNcsnpp = {
    {"sample_size", "[64, 64]"},
    {"block_out_channels", "[128, 128, 256]"},
    {"down_block_types", R"(["SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D"])"},
    {"up_block_types", R"(["SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"])"},
    {"attention_head_dim", "null"},
    {"norm_eps", "1e-06"},
    {"norm_num_groups", "null"},
    {"time_embedding_type", "\"fourier\""},
    {"mid_block_scale_factor", "1.41421356237"}};

std::string json(const Pairs& base, const Pairs& changes) {
  std::map<std::string, std::string> all(base.begin(), base.end());
  for (const auto& [key, value] : changes) all[key] = value;
  std::string text = "{";
  for (const auto& [key, value] : all) {
    if (!value.empty()) text += (text.size() > 1 ? ",\"" : "\"") + key + "\":" + value;
  }
  return text + "}";
}

class DiffusersConfig : public test::TempFolder {
 protected:
  JsonObject object(const std::string& text) {
    test::write(file("config.json"), text);
    return JsonObject(file("config.json"));
  }
  Settings settings(const Pairs& base, const Pairs& changes = {}) {
    return model_settings(object(json(base, changes)));
  }
  void refused(ErrorCode code, std::string_view fragment, const Pairs& base, const Pairs& changes) {
    expect_failure(code, {"config.json", fragment}, [&] { settings(base, changes); });
  }
};

TEST_F(DiffusersConfig, Ddpm) {
  const Settings s = settings(kDdpm, {{"dropout", "0.25"}, {"layers_per_block", "3"}});
  EXPECT_EQ(s.at("model.name"), SettingValue("ddpm"s));
  EXPECT_EQ(s.at("model.nf"), SettingValue(int64_t{128}));
  EXPECT_EQ(s.at("model.ch_mult"), SettingValue(std::vector<double>{1, 2, 2}));
  EXPECT_EQ(s.at("model.num_res_blocks"), SettingValue(int64_t{3}));
  EXPECT_EQ(s.at("model.attn_resolutions"), SettingValue(std::vector<double>{}));
  EXPECT_EQ(s.at("model.dropout"), SettingValue(0.25));
  EXPECT_EQ(s.at("data.image_size"), SettingValue(int64_t{32}));
  EXPECT_EQ(s.at("data.centered"), SettingValue(true));
}

TEST_F(DiffusersConfig, Ncsnpp) {
  const Settings s = settings(kNcsnpp, {{"center_input_sample", "true"}});
  EXPECT_EQ(s.at("model.name"), SettingValue("ncsnpp"s));
  EXPECT_EQ(s.at("model.attn_resolutions"), SettingValue(std::vector<double>{32}));
  EXPECT_EQ(s.at("model.scale_by_sigma"), SettingValue(true));
  EXPECT_EQ(s.at("data.centered"), SettingValue(false));
  EXPECT_EQ(s.at("data.image_size"), SettingValue(int64_t{64}));
}

TEST_F(DiffusersConfig, WhatOurNetworksCannotExpress) {
  const auto ddpm = [&](const char* key, const std::string& value, std::string_view fact) {
    refused(file_unknown, fact, kDdpm, {{key, value}});
  };
  ddpm("freq_shift", "0", "freq_shift is 0, our sinusoids need 1");
  ddpm("freq_shift", "", "freq_shift is 0");
  ddpm("downsample_padding", "1", "downsample_padding is 1");
  ddpm("norm_eps", "1e-05", "norm_eps is 1e-05, our networks have 1e-06");
  ddpm("norm_eps", "", "norm_eps is absent");
  ddpm("norm_num_groups", "16", "norm_num_groups is 16");
  ddpm("attention_head_dim", "8", "attention_head_dim is 8 with 256 channels");
  ddpm("attention_head_dim", "", "attention_head_dim is 8 by default");
  ddpm("act_fn", "\"gelu\"", "act_fn is \"gelu\"");
  ddpm("resnet_time_scale_shift", "\"scale_shift\"", "is \"scale_shift\"");
  ddpm("time_embedding_type", "\"fourier\"", "time_embedding_type is \"fourier\"");
  ddpm("add_attention", "false", "add_attention is false");
  ddpm("num_class_embeds", "10", "num_class_embeds is 10");
  ddpm("downsample_type", "\"resnet\"", "downsample_type is \"resnet\"");
  ddpm("mid_block_scale_factor", "2", "mid_block_scale_factor is 2");
  ddpm("sample_size", "[32, 64]", "sample_size is [32,64]");
  ddpm("sample_size", "", "sample_size is null");
  ddpm("sample_size", "null", "sample_size is null");
  ddpm("out_channels", "6", "in_channels is 3 and out_channels 6");
  ddpm("block_out_channels", "[128, 192, 256]", "multiples of the first");
  ddpm("_class_name", "\"UNet2DConditionModel\"", "_class_name is \"UNet2DConditionModel\"");
  ddpm("a_key_of_tomorrow", "1", "unknown key a_key_of_tomorrow with the value 1");
  ddpm("up_block_types", R"(["UpBlock2D", "UpBlock2D"])", "up_block_types 2");
  ddpm("down_block_types", R"(["DownBlock2D", "SkipDownBlock2D", "x\ny"])", "SkipDownBlock2D");
  ddpm("down_block_types", R"(["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"])", "both");
  ddpm("up_block_types", R"(["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"])", "both");
  EXPECT_NO_THROW(settings(kDdpm, {{"attention_head_dim", "256"}}));
  EXPECT_NO_THROW(settings(kDdpm, {{"a_key_of_tomorrow", "null"}, {"_x", "1"}}));

  const auto ncsnpp = [&](const char* key, const std::string& value, std::string_view fact) {
    refused(file_unknown, fact, kNcsnpp, {{key, value}});
  };
  ncsnpp("time_embedding_type", "\"positional\"", "time_embedding_type is \"positional\"");
  ncsnpp("mid_block_scale_factor", "", "mid_block_scale_factor is absent");
  ncsnpp("norm_num_groups", "32", "norm_num_groups is 32");
  ncsnpp("in_channels", "1", "in_channels is 1");
  ncsnpp("block_out_channels", "[32, 64, 128]", "has 64 with attention of 32 groups");
}

TEST_F(DiffusersConfig, ValuesOutOfRange) {
  const auto refuses = [&](const char* key, const std::string& value) {
    SCOPED_TRACE(key + " = "s + value);
    refused(file_corrupt, key, kDdpm, {{key, value}});
  };
  for (const char* value : {"-128", "0", "1e3", "99999999999999999999", "70000", "\"128\"", "{}",
                            "[1]", "true", "9223372036854775808", "-9223372036854775808"}) {
    refuses("block_out_channels", "[128, "s + value + ", 256]");
    refuses("layers_per_block", value);
  }
  refuses("block_out_channels", "");
  refuses("block_out_channels", "7");
  refuses("block_out_channels", "[" + std::string(200, '1') + "]");
  refuses("down_block_types", "\"DownBlock2D\"");
  refuses("down_block_types", "[1]");
  refuses("sample_size", "-32");
  refuses("sample_size", "\"32\"");
  refuses("dropout", "\"0\"");
  refuses("norm_eps", "[]");
  refuses("center_input_sample", "1");
  refuses("in_channels", "0");
}

TEST_F(DiffusersConfig, FilesMadeToHarm) {
  const auto repeated = [](const std::string& text, size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += text;
    return all;
  };
  for (const std::string& text :
       {""s, "x"s, "[]"s, "null"s, "{"s, "{\"a\":}"s, "{\"a\":1e999}"s, "\xff\xfe{}"s,
        repeated("[", 100'000), repeated("{\"a\":", 100'000), "{}"s + std::string(1 << 20, ' '),
        "{\"a\":\"" + std::string(3 << 20, 'x')}) {
    expect_failure(file_corrupt, {"config.json", "is no JSON object"}, [&] { object(text); });
  }
  const std::string deep = repeated("[", 100'000) + repeated("]", 100'000);
  refused(file_corrupt, "block_out_channels is a nested list", kDdpm,
          {{"block_out_channels", deep}});
  refused(file_unknown, "unknown key x with the value a nested list", kDdpm, {{"x", deep}});
  refused(file_unknown, "with the value an object", kDdpm, {{"x", "{\"a\":" + deep + "}"}});
  refused(file_unknown, "act_fn is \"xxx", kDdpm, {{"act_fn", '"' + std::string(9000, 'x') + '"'}});
  refused(file_unknown, "act_fn is \"\\u001b[2J", kDdpm, {{"act_fn", "\"\\u001b[2J\\n\""}});
  expect_failure(file_missing, {"none.json"}, [&] { JsonObject o(file("none.json")); });
  expect_failure(file_missing, {}, [&] { JsonObject o(folder()); });
}

TEST_F(DiffusersConfig, Schedulers) {
  const Pairs ddpm = {{"_class_name", "\"DDPMScheduler\""},
                      {"num_train_timesteps", "500"},
                      {"beta_start", "0.0002"},
                      {"beta_schedule", "\"linear\""}};
  const auto sde = [&](const Pairs& base, const Pairs& changes) {
    return sde_settings(object(json(base, changes)));
  };
  const Settings vp = sde(ddpm, {});
  EXPECT_EQ(vp.at("sde.name"), SettingValue("vp"s));
  EXPECT_EQ(vp.at("sde.beta_min"), SettingValue(0.1));
  EXPECT_EQ(vp.at("sde.beta_max"), SettingValue(10.0));
  EXPECT_EQ(vp.at("sde.num_scales"), SettingValue(int64_t{500}));
  const Settings ve = sde({{"_class_name", "\"ScoreSdeVeScheduler\""}, {"sigma_max", "380"}}, {});
  EXPECT_EQ(ve.at("sde.name"), SettingValue("ve"s));
  EXPECT_EQ(ve.at("sde.sigma_max"), SettingValue(380.0));
  EXPECT_EQ(ve.at("sde.num_scales"), SettingValue(int64_t{2000}));
  const auto refuses = [&](ErrorCode code, const char* key, const char* value) {
    expect_failure(code, {"config.json", key}, [&] { sde(ddpm, {{key, value}}); });
  };
  refuses(file_unknown, "_class_name", "\"EulerDiscreteScheduler\"");
  refuses(file_unknown, "_class_name", "");
  refuses(file_unknown, "beta_schedule", "\"squaredcos_cap_v2\"");
  refuses(file_unknown, "trained_betas", "[0.1]");
  refuses(file_unknown, "prediction_type", "\"v_prediction\"");
  refuses(file_corrupt, "num_train_timesteps", "0");
  refuses(file_corrupt, "beta_start", "\"x\"");
}

}  // namespace
}  // namespace ito::tools
