#include "engine/io/settings_json.h"

#include <nlohmann/json.hpp>

#include "engine/core/check.h"

namespace ito {
namespace {

using Json = nlohmann::json;

Json to_json(const SettingValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

SettingValue from_json(const Json& j, const std::string& key, std::string_view subject) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number()) return j.get<double>();
  if (j.is_string()) return j.get<std::string>();
  if (j.is_array()) {
    std::vector<double> list;
    for (const Json& item : j) {
      if (!item.is_number()) break;
      list.push_back(item.get<double>());
    }
    if (list.size() == j.size()) return list;
  }
  fail(ErrorCode::file_corrupt, subject, "its configuration has no plain value for " + key,
       "use a file written by ito");
}

}  // namespace

std::string settings_to_json(const Settings& settings) {
  Json json = Json::object();
  for (const auto& [key, value] : settings) {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) {
      json[key] = to_json(value);
    } else {
      json[key.substr(0, dot)][key.substr(dot + 1)] = to_json(value);
    }
  }
  return json.dump();
}

Settings settings_from_json(std::string_view text, std::string_view subject) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    fail(ErrorCode::file_corrupt, subject, "its configuration is not a JSON object",
         "use a file written by ito");
  }
  Settings settings;
  for (const auto& [section, value] : json.items()) {
    if (!value.is_object()) {
      settings[section] = from_json(value, section, subject);
      continue;
    }
    for (const auto& [key, item] : value.items()) {
      const std::string full = section + "." + key;
      settings[full] = from_json(item, full, subject);
    }
  }
  return settings;
}

}  // namespace ito
