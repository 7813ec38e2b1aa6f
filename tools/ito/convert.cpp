#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "engine/io/settings_json.h"
#include "models/load.h"
#include "models/make.h"
#include "tools/config/config.h"
#include "tools/import/checkpoint.h"
#include "tools/ito/commands.h"

namespace ito::tools {
namespace {

struct ConvertOptions {
  std::string in, out, weights = "ema";
  ConfigSources sources;
};

int run_convert(const ConvertOptions& o) {
  if (o.sources.preset.empty() && o.sources.file.empty()) {
    fail(ErrorCode::bad_usage, "ito convert", "neither --preset nor --config is given",
         "name the configuration that the checkpoint was trained with; ito info lists presets");
  }
  std::error_code error;
  if (std::filesystem::equivalent(o.in, o.out, error)) {
    fail(ErrorCode::output_exists, o.out, "is the checkpoint itself", "name another file");
  }
  Config config = load_config(o.sources);
  config.validate();
  const auto network =
      nn::make_network(config.model, config.image(), static_cast<uint64_t>(config.train.seed));
  const CheckpointInfo info = load_checkpoint(
      *network, o.in, o.weights == "ema" ? CheckpointWeights::ema : CheckpointWeights::model);
  check_noise_levels(info, config.sde, o.in);
  write_safetensors(o.out, nn::named_parameters(*network),
                    {{"format", "ito"}, {"config", settings_to_json(config.settings())}});
  std::printf("%lld tensors of step %lld, weights %s\n", static_cast<long long>(info.tensors),
              static_cast<long long>(info.step), o.weights.c_str());
  return 0;
}

}  // namespace

Command add_convert(CLI::App& app) {
  const auto o = std::make_shared<ConvertOptions>();
  app.add_option("checkpoint", o->in, "Checkpoint of score_sde_pytorch (.pth)")->required();
  app.add_option("--out", o->out, "File to write (.safetensors)")->required();
  app.add_option("--preset", o->sources.preset, "Preset that the checkpoint was trained with");
  app.add_option("--config", o->sources.file, "TOML file that it was trained with");
  add_overrides(app, o->sources.overrides, "section.key=value");
  app.add_option("--weights", o->weights, "ema: the averages, as published; model: the last ones")
      ->check(CLI::IsMember({"ema", "model"}))
      ->capture_default_str();
  return [o] { return run_convert(*o); };
}

}  // namespace ito::tools
