#include "tools/run/json_text.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ito::tools {

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace);
}

void print_json(const Json& json) { std::printf("%s\n", json_text(json).c_str()); }

}  // namespace ito::tools
