#include "tools/import/json_object.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostItems = 64;  // of a list
constexpr size_t kShownBytes = 60;

bool is_in_range(const Json& value, int least, int most) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned())
    return value.get<uint64_t>() <= static_cast<uint64_t>(most) && value.get<int64_t>() >= least;
  return value.get<int64_t>() >= least && value.get<int64_t>() <= most;
}

std::string range_text(int least, int most) {
  return "an integer from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

struct JsonObject::Content {
  Json json;
  const Json* find(const std::string& key) const {
    const auto it = json.find(key);
    return it == json.end() ? nullptr : &*it;
  }
};

JsonObject::JsonObject(const std::filesystem::path& file)
    : path_(file), content_(std::make_unique<Content>()) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  if (!in || std::filesystem::is_directory(file, error)) {
    fail(ErrorCode::file_missing, file.string(), "cannot be opened", "check the path");
  }
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), std::ssize(text));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() <= kMostBytes) content_->json = Json::parse(text, nullptr, false);
  if (!content_->json.is_object()) {
    fail(ErrorCode::file_corrupt, file.string(), "is no JSON object of at most 1 MiB",
         "write or copy the file again");
  }
}

JsonObject::~JsonObject() = default;
JsonObject::JsonObject(JsonObject&&) noexcept = default;

void JsonObject::wrong(const std::string& key, const std::string& type) const {
  fail(ErrorCode::file_corrupt, path_.string(), key + " is " + shown(key, "absent"),
       "write " + type);
}

std::vector<std::string> JsonObject::keys() const {
  std::vector<std::string> list;
  for (const auto& [key, value] : content_->json.items()) list.push_back(key);
  return list;
}

std::string JsonObject::shown(const std::string& key, const std::string& fallback) const {
  const Json* value = content_->find(key);
  if (value == nullptr) return fallback;
  // The text of a nested value would be made by recursion, as deep as the file says.
  if (value->is_object()) return "an object";
  if (value->is_array()) {
    for (const Json& item : *value) {
      if (item.is_structured()) return "a nested list";
    }
  }
  const std::string text =
      value->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, kShownBytes + 1);
  return text.size() > kShownBytes ? text.substr(0, kShownBytes) + "..." : text;
}

bool JsonObject::is_null(const std::string& key) const {
  const Json* value = content_->find(key);
  return value == nullptr || value->is_null();
}

bool JsonObject::flag(const std::string& key, bool fallback) const {
  const Json* value = content_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong(key, "true or false");
  return value->get<bool>();
}

int JsonObject::integer(const std::string& key, int least, int most, int fallback) const {
  const Json* value = content_->find(key);
  if (value == nullptr) return fallback;
  if (!is_in_range(*value, least, most)) wrong(key, range_text(least, most));
  return value->get<int>();
}

double JsonObject::number(const std::string& key, double fallback) const {
  const Json* value = content_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>())) wrong(key, "a number");
  return value->get<double>();
}

std::string JsonObject::text(const std::string& key, const std::string& fallback) const {
  const Json* value = content_->find(key);
  if (value == nullptr) return fallback;
  if (!value->is_string()) wrong(key, "a text");
  return value->get<std::string>();
}

std::vector<int> JsonObject::integers(const std::string& key, int least, int most) const {
  const std::string type =
      "a list of integers from " + std::to_string(least) + " to " + std::to_string(most);
  const Json* value = content_->find(key);
  if (value == nullptr || !value->is_array() || value->size() > kMostItems) wrong(key, type);
  std::vector<int> list;
  for (const Json& item : *value) {
    if (!is_in_range(item, least, most)) wrong(key, type);
    list.push_back(item.get<int>());
  }
  return list;
}

std::vector<std::string> JsonObject::texts(const std::string& key) const {
  const Json* value = content_->find(key);
  if (value == nullptr || !value->is_array() || value->size() > kMostItems) {
    wrong(key, "a list of texts");
  }
  std::vector<std::string> list;
  for (const Json& item : *value) {
    if (!item.is_string()) wrong(key, "a list of texts");
    list.push_back(item.get<std::string>());
  }
  return list;
}

}  // namespace ito::tools
