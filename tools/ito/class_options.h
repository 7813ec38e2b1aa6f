// The options by which commands ask for classes.
#pragma once

#include <optional>
#include <string>

#include "tools/run/class_guidance.h"

namespace CLI {
class App;
}

namespace ito::tools {

struct ClassOptions {
  std::string classifier, classes;
  std::optional<double> guidance;

  void add_to(CLI::App& app);
  /// Throws UserError: bad_usage for a weight or a classifier without classes, bad_value for a list
  /// that cannot be read.
  ClassRequest request() const;
};

}  // namespace ito::tools
