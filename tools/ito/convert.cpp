#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/io/settings_json.h"
#include "models/inception/inception_file.h"
#include "models/load.h"
#include "models/make.h"
#include "tools/config/config.h"
#include "tools/import/checkpoint.h"
#include "tools/import/diffusers.h"
#include "tools/import/inception.h"
#include "tools/ito/commands.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

struct ConvertOptions {
  std::string in, out, weights = "ema";
  bool inception = false, json = false;
  ConfigSources sources;
  bool has_configuration() const { return !sources.preset.empty() || !sources.file.empty(); }
};

/// The JSON header of a safetensors file begins at its ninth byte; files of torch.save have a
/// zero or a number there.
bool is_safetensors(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  char first[9] = {};
  return in.read(first, sizeof first) && first[8] == '{';
}

void check_output(const ConvertOptions& o, const fs::path& in) {
  std::error_code error;
  if (!fs::equivalent(in, o.out, error)) return;
  fail(ErrorCode::output_exists, o.out, "is the checkpoint itself", "name another file");
}

[[noreturn]] void no_configuration(const char* fix) {
  fail(ErrorCode::bad_usage, "ito convert", "neither --preset nor --config is given", fix);
}

std::unique_ptr<nn::Network> make_network(Config& config) {
  config.validate();
  return nn::make_network(config.model, config.image(), static_cast<uint64_t>(config.train.seed));
}

void write(const ConvertOptions& o, nn::Network& network, Config& config) {
  write_safetensors(o.out, nn::named_parameters(network),
                    {{"format", "ito"}, {"config", settings_to_json(config.settings())}});
}

/// What was converted.
struct Converted {
  std::string from;  ///< diffusers, safetensors, score_sde_pytorch or inception
  int64_t tensors;
  std::optional<int64_t> step;  ///< that the file says
  std::string text;             ///< for people
};

Json json_of(const ConvertOptions& o, const Converted& c) {
  return {{"file", o.out},
          {"from", c.from},
          {"tensors", c.tensors},
          {"step", c.step ? Json(*c.step) : Json()},
          {"weights", c.step ? Json(o.weights) : Json()}};
}

/// A folder of diffusers: config.json describes the network, and scheduler_config.json the SDE
/// where the command line does not. --set goes last.
Converted convert_folder(const ConvertOptions& o) {
  const DiffusersFolder folder(o.in);
  check_output(o, folder.weights());
  Settings settings = folder.model();
  if (!o.has_configuration()) {
    std::optional<Settings> sde = folder.sde();
    if (!sde) no_configuration("name one with the SDE: the folder has no scheduler_config.json");
    settings.merge(*sde);
  }
  ConfigSources sources = o.sources;
  sources.overrides.clear();
  for (const auto& [key, value] : settings) {
    sources.overrides.push_back(key + "=" + to_string(value));
  }
  sources.overrides.insert(sources.overrides.end(), o.sources.overrides.begin(),
                           o.sources.overrides.end());
  Config config = load_config(sources);
  const auto network = make_network(config);
  const int64_t tensors = folder.load(*network);
  write(o, *network, config);
  return {"diffusers", tensors, {}, std::to_string(tensors) + " tensors of a folder of diffusers"};
}

Converted convert_file(const ConvertOptions& o) {
  if (!o.has_configuration()) {
    no_configuration(
        "name the configuration that the checkpoint was trained with; ito info lists "
        "presets");
  }
  check_output(o, o.in);
  Config config = load_config(o.sources);
  const auto network = make_network(config);
  const bool plain = is_safetensors(o.in);
  const CheckpointInfo info =
      plain
          ? load_plain_tensors(*network, o.in)
          : load_checkpoint(*network, o.in,
                            o.weights == "ema" ? CheckpointWeights::ema : CheckpointWeights::model);
  check_noise_levels(info, config.sde, o.in);
  write(o, *network, config);
  const std::string text = std::to_string(info.tensors) + " tensors";
  if (plain) return {"safetensors", info.tensors, {}, text};
  return {"score_sde_pytorch", info.tensors, info.step,
          text + " of step " + std::to_string(info.step) + ", weights " + o.weights};
}

/// The network of FID, which has no configuration.
Converted convert_inception(const ConvertOptions& o) {
  if (o.has_configuration() || !o.sources.overrides.empty()) {
    fail(ErrorCode::bad_usage, "--inception", "goes with no configuration",
         "leave --preset, --config and --set out");
  }
  check_output(o, o.in);
  nn::Inception network = import_inception(o.in);
  nn::save_inception(o.out, network);
  return {"inception",
          std::ssize(nn::named_parameters(network)),
          {},
          "Inception network with " + std::to_string(network.config().classes) + " outputs"};
}

}  // namespace

Command add_convert(CLI::App& app) {
  const auto o = std::make_shared<ConvertOptions>();
  app.add_option("checkpoint", o->in,
                 "Checkpoint of score_sde_pytorch (.pth), .safetensors, or folder of diffusers")
      ->required();
  app.add_option("--out", o->out, "File to write (.safetensors)")->required();
  app.add_option("--preset", o->sources.preset, "Preset that the checkpoint was trained with");
  app.add_option("--config", o->sources.file, "TOML file that it was trained with");
  add_overrides(app, o->sources.overrides, "section.key=value");
  app.add_option("--weights", o->weights, "ema: the averages, as published; model: the last ones")
      ->check(CLI::IsMember({"ema", "model"}))
      ->capture_default_str();
  app.add_flag("--inception", o->inception,
               "The file is FID's Inception network (pt_inception-2015-12-05-6726825d.pth)");
  add_json(app, o->json);
  return [o] {
    check_output_file(o->out);
    std::error_code error;
    const Converted done = o->inception                     ? convert_inception(*o)
                           : fs::is_directory(o->in, error) ? convert_folder(*o)
                                                            : convert_file(*o);
    if (o->json) {
      print_json(json_of(*o, done));
    } else {
      std::printf("%s\n", done.text.c_str());
    }
    return 0;
  };
}

}  // namespace ito::tools
