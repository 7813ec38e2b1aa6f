// JSON as everything of ours writes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace ito::tools {

using Json = nlohmann::ordered_json;

/// `json` in ASCII: other characters, control bytes and quotes as escapes (\u00e9; two of them
/// beyond the basic plane), bytes that are no UTF-8 as \ufffd. Numbers read back as the same
/// number; those that are not finite become null. `indent` -1: on one line.
std::string json_text(const Json& json, int indent = -1);

/// Prints json_text on a line of standard output.
void print_json(const Json& json);

}  // namespace ito::tools
