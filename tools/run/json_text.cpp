#include "tools/run/json_text.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ito::tools {

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

void print_json(const nlohmann::ordered_json& json) {
  std::printf("%s\n", json_text(json).c_str());
}

}  // namespace ito::tools
