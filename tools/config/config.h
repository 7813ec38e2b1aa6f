// The whole configuration of a run: one typed tree, filled from a preset, a file and --set.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/config.h"
#include "samplers/config.h"
#include "sde/config.h"
#include "sde/training/config.h"
#include "tools/data/config.h"

namespace ito::tools {

struct Config {
  data::DataConfig data;
  sde::SdeConfig sde;
  nn::ModelConfig model;
  sde::ObjectiveConfig objective;
  sde::OptimConfig optim;
  sde::TrainConfig train;
  samplers::SamplingConfig sampling;

  /// Every key with its place and its meaning.
  Fields fields();
  Settings settings() { return fields().values(); }
  /// All sections, and what must fit between them. Throws UserError.
  void validate() const;
  /// The part of the configuration that networks see.
  nn::ImageConfig image() const;
};

/// Values of TOML text; `subject` stands in the errors. Throws UserError (config_syntax,
/// bad_value).
Settings settings_from_toml(std::string_view text, std::string_view subject);
/// The configuration as TOML, each key with its meaning.
std::string to_toml(Config& config);

/// Where a configuration comes from, in the order in which later parts override earlier ones.
struct ConfigSources {
  Settings base;                       ///< what a checkpoint carries, or empty
  std::string preset;                  ///< name, or empty
  std::filesystem::path file;          ///< TOML file, or empty
  std::vector<std::string> overrides;  ///< "section.key=value"
};
/// Throws UserError; an unknown preset or key is answered with the nearest one.
Config load_config(const ConfigSources& sources);

}  // namespace ito::tools
