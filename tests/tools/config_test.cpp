// Where a configuration comes from, and how it is written down.
#include "tools/config/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "engine/core/check.h"
#include "models/presets/presets.h"

namespace ito::tools {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& e) {
    return std::to_string(static_cast<int>(e.code())) + " " + e.what();
  }
  return "no error";
}

std::string toml_message(const char* text) {
  return message_of([&] { settings_from_toml(text, "x.toml"); });
}

TEST(Toml, EveryTypeIsReadAsItIs) {
  const Settings s = settings_from_toml(
      "top = 1\n[a]\ni = -3\nbig = 9007199254740993\nr = 2e-4\nb = true\nt = \"x y\"\n"
      "l = [1, 2.5]\ne = []\n",
      "x.toml");
  const Settings wanted = {{"top", int64_t{1}},
                           {"a.i", int64_t{-3}},
                           {"a.big", int64_t{9007199254740993}},
                           {"a.r", 2e-4},
                           {"a.b", true},
                           {"a.t", std::string("x y")},
                           {"a.l", std::vector<double>{1, 2.5}},
                           {"a.e", std::vector<double>{}}};
  EXPECT_EQ(s, wanted);
}

TEST(Toml, MistakesNameFileAndPlace) {
  EXPECT_EQ(toml_message("[a]\nb = 1\nc = = 2\n").substr(0, 19), "205 x.toml: line 3:");
  EXPECT_EQ(toml_message("[a]\nb = 1\nb = 2\n").substr(0, 19), "205 x.toml: line 3:");
  EXPECT_EQ(toml_message("\n\xff\n").substr(0, 17), "205 x.toml: line ");
  for (const char* value : {"2020-01-01", "[[1]]", "[true]", "[\"x\"]", "[1, \"x\"]", "{c = 1}"}) {
    EXPECT_EQ(toml_message((std::string("[a]\nb = ") + value).c_str()).substr(0, 21),
              "203 x.toml: a.b is ne")
        << value;
  }
}

TEST(Config, WrittenAsTomlEveryPresetReadsBackAsItself) {
  for (const nn::Preset& preset : nn::presets()) {
    Config config = load_config({.preset = std::string(preset.name)});
    config.validate();
    Config back;
    back.fields().apply(settings_from_toml(to_toml(config), "x.toml"), "x.toml");
    EXPECT_EQ(back.settings(), config.settings()) << preset.name;
  }
}

TEST(Config, ValuesThatAreHardToWriteReadBackAsTheyAre) {
  Config config;
  config.optim.lr = 0.1 + 0.2;
  config.optim.eps = 5e-324;
  config.sde.sigma_max = 1e22;
  config.train.seed = INT64_MAX;
  config.train.max_steps = 9007199254740993;
  config.data.path = "a \"quoted\" \\ folder # [x]\n\t\x01 \xc3\xa4";
  config.model.fir_kernel = {0.1, -2, 1e300};
  config.model.attn_resolutions = {};
  Config back;
  back.fields().apply(settings_from_toml(to_toml(config), "x.toml"), "x.toml");
  EXPECT_EQ(back.settings(), config.settings());
}

TEST(Config, LaterSourcesOverrideEarlierOnes) {
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / "ito_config_test.toml";
  std::ofstream(file) << "[train]\nbatch = 9\nseed = 9\n";
  const Config config =
      load_config({.preset = "demo", .file = file, .overrides = {"train.seed=7", "train.seed=8"}});
  EXPECT_EQ(config.train.seed, 8);
  EXPECT_EQ(config.train.batch, 9);
  EXPECT_EQ(config.model.nf, 16);
  std::filesystem::remove(file);
}

TEST(Config, ACheckpointComesBeforeAllOtherSources) {
  Config trained = load_config({.preset = "toy2d", .overrides = {"train.seed=7", "optim.lr=0.5"}});
  const Settings base = trained.settings();
  EXPECT_EQ(load_config({.base = base}).settings(), base);
  EXPECT_EQ(load_config({.base = base, .overrides = {"train.seed=8"}}).train.seed, 8);
  EXPECT_EQ(load_config({.base = base, .overrides = {"train.seed=8"}}).optim.lr, 0.5);
  // A key that this build does not know, of a checkpoint of another one, does no harm.
  Settings other = base;
  other["train.mood"] = std::string("good");
  EXPECT_EQ(load_config({.base = other}).settings(), base);
}

TEST(Config, SharesOfTheStartingWeights) {
  const sde::OptimConfig constant{.ema_rate = 0.9, .ema_warmup = false};
  EXPECT_DOUBLE_EQ(constant.starting_share(0), 1);
  EXPECT_DOUBLE_EQ(constant.starting_share(10), std::pow(0.9, 10));
  EXPECT_EQ(constant.starting_share(1000), 0);
  // The product of (1 + k) / (10 + k) up to n is 10! / ((n + 2) ... (n + 10)).
  const sde::OptimConfig warming{.ema_rate = 0.9999};
  double ratio = 3628800;
  for (int i = 2; i <= 10; ++i) ratio /= 7 + i;
  EXPECT_NEAR(warming.starting_share(7), ratio, 1e-15);
  EXPECT_EQ(sde::OptimConfig{.ema_rate = 0}.starting_share(1), 0);
  const sde::OptimConfig frozen{.ema_rate = 1, .ema_warmup = false};
  EXPECT_EQ(frozen.starting_share(1000), 1);
}

TEST(Config, MistakesNameTheirSource) {
  const auto overriding = [](const char* text) {
    return message_of([&] { load_config({.preset = "demo", .overrides = {text}}); });
  };
  EXPECT_EQ(overriding("model.nff=8").substr(0, 41), "202 --set: there is no key \"model.nff\"; f");
  EXPECT_EQ(overriding("model.nf").substr(0, 26), "201 --set: \"model.nf\" has ");
  EXPECT_EQ(overriding("model.nf=8.5").substr(0, 27), "203 --set: model.nf = 8.5 i");
  EXPECT_EQ(message_of([] { load_config({.preset = "dmeo"}); }).substr(0, 33),
            "202 --preset: there is no preset ");
  EXPECT_EQ(message_of([] { load_config({.file = testing::TempDir()}); }).substr(0, 4), "301 ");
}

TEST(Config, SectionsThatExcludeOneAnotherAreRefused) {
  const auto validating = [](std::vector<std::string> overrides) {
    return message_of(
        [&] { load_config({.preset = "demo", .overrides = std::move(overrides)}).validate(); });
  };
  EXPECT_EQ(validating({}), "no error");
  EXPECT_EQ(validating({"data.path=bilder \xc3\xa9"}), "no error");
  EXPECT_EQ(validating({"data.path=bilder \xe9"}).substr(0, 28), "203 data.path: \"bilder \\xE9\"");
  EXPECT_EQ(validating({"data.centered=false"}).substr(0, 18), "204 data.centered:");
  EXPECT_EQ(validating({"model.embedding_type=fourier"}).substr(0, 25),
            "204 model.embedding_type:");
  EXPECT_EQ(validating({"model.scale_by_sigma=true"}).substr(0, 25), "204 model.scale_by_sigma:");
  EXPECT_EQ(validating({"sde.name=ve", "data.centered=false", "model.embedding_type=fourier",
                        "model.scale_by_sigma=true"}),
            "no error");
}

}  // namespace
}  // namespace ito::tools
