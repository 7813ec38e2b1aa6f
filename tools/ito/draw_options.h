// The options by which commands say which samples they draw.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/settings.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ito::tools {

struct DrawOptions {
  std::string seeds = {};  ///< as parse_ranges takes them; empty: not given
  int64_t seed = 0, batch = 64;

  /// --seeds, --seed and --batch. `of_seed`: what the base seed is for. Returns --seeds.
  CLI::Option* add_to(CLI::App& app, const std::string& of_seed);
};

/// Assigns what --set has given for a trained model, of which only some `sections` can be changed.
/// Throws UserError: bad_usage for anything else, and those of Fields::assign.
void assign_overrides(const Fields& fields, const std::vector<std::string>& overrides,
                      std::initializer_list<std::string_view> sections);

}  // namespace ito::tools
