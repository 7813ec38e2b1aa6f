// The configurations that come with the program, as TOML text.
#pragma once

#include <span>
#include <string_view>

namespace ito::nn {

struct Preset {
  std::string_view name;  ///< "demo", "vp/cifar10_ddpmpp_continuous"
  std::string_view toml;
};

/// All presets, by name. Compiled in from models/presets/.
std::span<const Preset> presets();

}  // namespace ito::nn
