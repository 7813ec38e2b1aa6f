#include "tools/golden/case.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace ito::golden {
namespace {

using Json = nlohmann::json;

Json parse(const std::string& text, const std::string& subject) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    fail(ErrorCode::file_corrupt, subject, "is not JSON", "write or copy the file again");
  }
  return json;
}

/// The members of the JSON file, or of the metadata, whose values are JSON in text.
Json description_of(const std::filesystem::path& file, const SafetensorsFile& arrays) {
  std::filesystem::path beside = file;
  beside.replace_extension(".json");
  if (std::ifstream in(beside); in) {
    return parse({std::istreambuf_iterator<char>(in), {}}, beside.string());
  }
  Json json = Json::object();
  for (const auto& [key, text] : arrays.metadata) {
    const bool nested = key == "config" || key == "info" || key == "cases" || key == "fp32_vs_fp64";
    json[key] = nested ? parse(text, file.string() + " (" + key + ")") : Json(text);
  }
  return json;
}

std::optional<SettingValue> setting_of(const Json& j) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number()) return j.get<double>();
  if (j.is_string()) return j.get<std::string>();
  if (!j.is_array()) return {};
  std::vector<double> list;
  for (const Json& item : j) {
    if (!item.is_number()) return {};
    list.push_back(item.get<double>());
  }
  return list;
}

/// Members as settings PREFIXkey.
void add_members(Settings& settings, const std::string& prefix, const Json& members) {
  if (!members.is_object()) return;
  for (const auto& [key, value] : members.items()) {
    if (auto setting = setting_of(value)) settings[prefix + key] = std::move(*setting);
  }
}

template <class T>
T member(const Json& object, const char* key, T fallback) {
  const auto it = object.find(key);
  if (it == object.end()) return fallback;
  if constexpr (std::is_same_v<T, bool>)
    return it->is_boolean() ? it->get<bool>() : fallback;
  else if constexpr (std::is_same_v<T, double>)
    return it->is_number() ? it->get<T>() : fallback;
  else
    return it->is_string() ? it->template get<T>() : fallback;
}

}  // namespace

bool Case::zero_in_theory(const std::string& array) const {
  const auto it = reference_errors.find(array);
  return it != reference_errors.end() && it->second.zero_in_theory;
}

double Case::relative_error(const std::string& array) const {
  const auto it = reference_errors.find(array);
  return it == reference_errors.end() ? 0 : it->second.relative;
}

double Case::number(const std::string& key, double fallback) const {
  const auto it = settings.find(key);
  if (it == settings.end()) return fallback;
  if (const auto* integer = std::get_if<int64_t>(&it->second)) return static_cast<double>(*integer);
  const auto* real = std::get_if<double>(&it->second);
  return real ? *real : fallback;
}

std::string Case::text(const std::string& key, const std::string& fallback) const {
  const auto it = settings.find(key);
  const auto* value = it == settings.end() ? nullptr : std::get_if<std::string>(&it->second);
  return value ? *value : fallback;
}

bool Case::flag(const std::string& key, bool fallback) const {
  const auto it = settings.find(key);
  const auto* value = it == settings.end() ? nullptr : std::get_if<bool>(&it->second);
  return value ? *value : fallback;
}

std::vector<double> Case::numbers(const std::string& key,
                                  const std::vector<double>& fallback) const {
  const auto it = settings.find(key);
  const auto* value =
      it == settings.end() ? nullptr : std::get_if<std::vector<double>>(&it->second);
  return value ? *value : fallback;
}

std::vector<std::string> sub_cases_of(const Case& c) {
  std::set<std::string> names;
  for (const auto& [name, options] : c.options) names.insert(name);
  for (const auto& [array, tensor] : c.arrays.tensors) {
    const size_t slash = array.find('/');
    if (slash != std::string::npos) names.insert(array.substr(0, slash));
  }
  return {names.begin(), names.end()};
}

Case sub_case(const Case& c, const std::string& name) {
  Case sub{.name = name, .category = c.category, .file = c.file / name};
  const std::string prefix = name + "/";
  for (const auto& [array, tensor] : c.arrays.tensors) {
    if (array.starts_with(prefix)) {
      sub.arrays.tensors.emplace_back(array.substr(prefix.size()), tensor);
    }
  }
  for (const auto& [array, error] : c.reference_errors) {
    if (array.starts_with(prefix)) sub.reference_errors[array.substr(prefix.size())] = error;
  }
  if (const auto it = c.options.find(name); it != c.options.end()) sub.settings = it->second;
  return sub;
}

Case read_case(const std::filesystem::path& file) {
  Case c{.name = file.stem().string(), .file = file, .arrays = read_safetensors(file)};
  const Json json = description_of(file, c.arrays);
  if (!json.is_object()) {
    fail(ErrorCode::file_corrupt, file.string(), "its description is not a JSON object",
         "write or copy the file again");
  }
  c.category = member(json, "category", c.name.substr(0, c.name.find('_')));
  add_members(c.settings, "info.", json.value("info", Json::object()));
  const Json config = json.value("config", Json::object());
  for (const auto& [section, members] : config.items()) {
    add_members(c.settings, section + ".", members);
  }
  const Json cases = json.value("cases", Json::object());
  for (const auto& [name, options] : cases.items()) add_members(c.options[name], "", options);
  const Json errors = json.value("fp32_vs_fp64", Json::object());
  for (const auto& [array, members] : errors.items()) {
    if (!members.is_object()) continue;
    c.reference_errors[array] = {
        .relative = member(members, "rel_l2", 0.0),
        .zero_in_theory = member(members, "exactly_zero_in_theory", false) ||
                          member(members, "gradient_exactly_zero_in_theory", false)};
  }
  return c;
}

}  // namespace ito::golden
