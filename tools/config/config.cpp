#include "tools/config/config.h"

#include <toml++/toml.h>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"
#include "engine/core/utf8.h"
#include "models/presets/presets.h"

namespace ito::tools {
namespace {

SettingValue value_of(const toml::node& node, const std::string& key, std::string_view subject) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* list = node.as_array()) {
    std::vector<double> values;
    for (const toml::node& item : *list) {
      const auto v = item.value<double>();
      if (!v || item.is_boolean()) break;
      values.push_back(*v);
    }
    if (values.size() == list->size()) return values;
  }
  fail(ErrorCode::bad_value, subject,
       key + " is neither a number, text, true, false, nor a list of numbers",
       "see --print-config for the type of every key");
}

std::string preset_text(const std::string& name) {
  std::vector<std::string_view> names;
  for (const nn::Preset& p : nn::presets()) {
    if (p.name == name) return std::string(p.toml);
    names.push_back(p.name);
  }
  fail(ErrorCode::unknown_key, "--preset", "there is no preset \"" + name + "\"",
       "use " + std::string(nearest_name(name, names)) +
           " (the nearest), or another of those that ito info lists");
}

std::string file_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || std::filesystem::is_directory(file) || !(text << in.rdbuf())) {
    fail(ErrorCode::file_missing, file.string(), "cannot be read",
         "check the path given to --config");
  }
  return text.str();
}

/// TOML takes no raw control characters in text; numbers and lists have none.
std::string toml_text(const SettingValue& value) {
  std::string text;
  for (const char c : to_string(value)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      text += c;
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04X", unsigned{byte});
    text += code;
  }
  return text;
}

}  // namespace

Fields Config::fields() {
  Fields f;
  data.fields(f);
  sde.fields(f);
  model.fields(f);
  objective.fields(f);
  optim.fields(f);
  train.fields(f);
  sampling.fields(f);
  return f;
}

void Config::validate() const {
  // It is kept in files of TOML and JSON, which hold no other bytes.
  if (!is_utf8(data.path)) {
    fail(ErrorCode::bad_value, "data.path", "\"" + data.path + "\" is not valid UTF-8",
         "rename the file or folder, or give a link to it");
  }
  data.validate();
  sde.validate();
  model.validate();
  objective.validate();
  optim.validate();
  train.validate();
  sampling.validate();
  if (sde.name != "ve" && !data.centered) {
    fail(ErrorCode::bad_combination, "data.centered",
         "is false with sde.name = \"" + sde.name + "\"",
         "set data.centered = true: VP and sub-VP are for data in [-1, 1]");
  }
  if (objective.classifies() != (model.name == "wideresnet")) {
    fail(ErrorCode::bad_combination, "model.name",
         "is \"" + model.name + "\" with objective.kind = \"" + objective.kind + "\"",
         "use wideresnet with the objective classifier, and other networks with the others");
  }
  if (objective.learns_variance() != model.learned_variance) {
    fail(ErrorCode::bad_combination, "model.learned_variance",
         std::string("is ") + (model.learned_variance ? "true" : "false") +
             " with objective.kind = \"" + objective.kind + "\"",
         "set it to true for iddpm, and for vlb with reverse_variance = \"learned\"; else false");
  }
  if (objective.kind == "cd" && !model.energy) {
    fail(ErrorCode::bad_combination, "model.energy", "is false with objective.kind = \"cd\"",
         "set model.energy = true: contrastive divergence trains an energy");
  }
  if (objective.kind == "edm" && (model.embedding_type == "fourier" || model.scale_by_sigma)) {
    fail(
        ErrorCode::bad_combination, "objective.kind",
        "is edm with model.embedding_type = \"" + model.embedding_type +
            "\" and scale_by_sigma = " + (model.scale_by_sigma ? "true" : "false"),
        "set positional and false: the denoiser scales the output, and its labels may be negative");
  }
  if (model.embedding_type == "fourier" && sde.name != "ve" && !objective.classifies()) {
    fail(ErrorCode::bad_combination, "model.embedding_type",
         "is \"fourier\" with sde.name = \"" + sde.name + "\"",
         "set model.embedding_type = \"positional\": fourier takes the logarithm of sigma");
  }
  if (model.scale_by_sigma && sde.name != "ve") {
    fail(ErrorCode::bad_combination, "model.scale_by_sigma",
         "is true with sde.name = \"" + sde.name + "\"", "set model.scale_by_sigma = false");
  }
  const bool takes_indices = model.name.starts_with("ncsnv2") || model.name == "ncsn" ||
                             (model.scale_by_sigma && model.embedding_type == "positional");
  if (takes_indices && objective.continuous) {
    fail(ErrorCode::bad_combination, "objective.continuous",
         "is true, but this network is told the index of a noise level",
         "set objective.continuous = false and objective.kind = \"smld\"");
  }
}

nn::ImageConfig Config::image() const {
  return {.image_size = data.image_size,
          .channels = data.channels,
          .centered = data.centered,
          .sigma_min = sde.sigma_min,
          .sigma_max = sde.sigma_max,
          .num_scales = sde.num_scales};
}

Settings settings_from_toml(std::string_view text, std::string_view subject) {
  Settings settings;
  try {
    const toml::table table = toml::parse(text);
    for (const auto& [section, node] : table) {
      const std::string name(section.str());
      const toml::table* keys = node.as_table();
      if (keys == nullptr) {
        settings[name] = value_of(node, name, subject);
        continue;
      }
      for (const auto& [key, value] : *keys) {
        const std::string full = name + "." + std::string(key.str());
        settings[full] = value_of(value, full, subject);
      }
    }
  } catch (const toml::parse_error& e) {
    const auto line = e.source().begin.line;
    fail(ErrorCode::config_syntax, subject,
         "line " + std::to_string(line) + ": " + std::string(e.description()), "correct the TOML");
  }
  return settings;
}

std::string to_toml(Config& config) {
  std::string text, section;
  const Fields fields = config.fields();
  const Settings values = fields.values();
  for (const Field& f : fields.list()) {
    const size_t dot = f.key.find('.');
    const std::string name = f.key.substr(0, dot);
    if (name != section) text += (text.empty() ? "[" : "\n[") + name + "]\n";
    section = name;
    text += f.key.substr(dot + 1) + " = " + toml_text(values.at(f.key)) + "  # " + f.doc + "\n";
  }
  return text;
}

Config load_config(const ConfigSources& sources) {
  Config config;
  const Fields fields = config.fields();
  fields.apply_known(sources.base, "checkpoint");
  if (!sources.preset.empty()) {
    fields.apply(settings_from_toml(preset_text(sources.preset), sources.preset), sources.preset);
  }
  if (!sources.file.empty()) {
    const std::string subject = sources.file.string();
    fields.apply(settings_from_toml(file_text(sources.file), subject), subject);
  }
  for (const std::string& assignment : sources.overrides) {
    const size_t equal = assignment.find('=');
    if (equal == std::string::npos) {
      fail(ErrorCode::bad_usage, "--set",
           "\"" + assignment + "\" has no =", "write --set section.key=value");
    }
    fields.assign(assignment.substr(0, equal), assignment.substr(equal + 1), "--set");
  }
  return config;
}

}  // namespace ito::tools
