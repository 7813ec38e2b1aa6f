#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/core/check.h"
#include "engine/core/parallel.h"
#include "engine/core/version.h"
#include "engine/cuda/runtime.h"
#include "kernels/common/op_table.h"
#include "models/make.h"
#include "models/presets/presets.h"
#include "sde/training/trained_network.h"
#include "tools/config/config.h"
#include "tools/ito/commands.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

struct InfoOptions {
  std::string model;
  ConfigSources sources;
  std::string memory;
  bool print_config = false, json = false;
};

void print_program() {
  std::printf("ito %s\n", ITO_VERSION);
  std::printf("threads   %d\n", num_threads());
  const int gpus = cuda::device_count();
  std::printf("gpus      %d%s\n", gpus,
              gpus == 0 ? (" (" + cuda::unavailable_reason() + ")").c_str() : "");
  std::printf("ops       %zu\n", op_table().size());
  const char* label = "presets";
  for (const nn::Preset& p : nn::presets()) {
    std::printf("%-9s %.*s\n", label, static_cast<int>(p.name.size()), p.name.data());
    label = "";
  }
}

Json program_json() {
  auto presets = Json::array();
  for (const nn::Preset& p : nn::presets()) presets.push_back(p.name);
  return {{"ito", ITO_VERSION},
          {"threads", num_threads()},
          {"gpus", cuda::device_count()},
          {"ops", op_table().size()},
          {"presets", presets}};
}

/// The network's layers and what it needs.
void print_network(const nn::Network& network, const Config& config, int64_t memory) {
  print_layers(network, config.image());
  print_estimate(network, config, memory);
}

int run_info(const InfoOptions& o) {
  const int64_t memory = o.memory.empty() ? 0 : parse_bytes(o.memory, "--memory");
  const bool configured = !o.sources.preset.empty() || !o.sources.file.empty();
  if (!o.model.empty() ? configured || !o.sources.overrides.empty() || o.print_config
                       : !configured && (!o.sources.overrides.empty() || o.print_config)) {
    fail(ErrorCode::bad_usage, "ito info", "--set and --print-config belong to a configuration",
         "give --preset or --config and no trained network");
  }
  if (!o.model.empty()) {
    const sde::TrainedNetwork model = sde::load_trained_network(o.model);
    Config config;
    config.fields().apply(model.settings, o.model);
    if (o.json) {
      print_network_json(*model.network, config, memory, model.file);
      return 0;
    }
    std::printf("%s\n", escaped(model.file.string()).c_str());
    for (const auto& [key, value] : model.settings)
      std::printf("%s = %s\n", key.c_str(), to_string(value).c_str());
    print_network(*model.network, config, memory);
    return 0;
  }
  if (!configured) {
    o.json ? print_json(program_json()) : print_program();
    return 0;
  }
  Config config = load_config(o.sources);
  config.validate();
  if (o.print_config) {
    std::fputs(to_toml(config).c_str(), stdout);
    return 0;
  }
  const auto network = nn::make_network_shapes(config.model, config.image());
  if (o.json) {
    print_network_json(*network, config, memory);
  } else {
    print_network(*network, config, memory);
  }
  return 0;
}

}  // namespace

Command add_info(CLI::App& app) {
  const auto o = std::make_shared<InfoOptions>();
  app.add_option("model", o->model, "Run folder, checkpoint folder, or .safetensors file");
  app.add_option("--preset", o->sources.preset, "Describe the network of a preset");
  app.add_option("--config", o->sources.file, "Describe the network of a TOML file");
  add_overrides(app, o->sources.overrides, "section.key=value");
  app.add_option("--memory", o->memory,
                 "Memory to plan for, e.g. 20GiB; what is free now if not given");
  app.add_flag("--print-config", o->print_config, "Print the resolved configuration instead")
      ->excludes(add_json(app, o->json));
  return [o] { return run_info(*o); };
}

}  // namespace ito::tools
