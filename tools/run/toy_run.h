// A gallery of two-dimensional score models: one small network per data set and objective.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/config/config.h"
#include "tools/data/image.h"

namespace ito::tools {

struct ToyJob {
  std::string data = "two_moons";  ///< a data set of points
  std::string objective = "dsm";   ///< a preset under toy/
  double seconds = 10;             ///< of training
  int64_t steps = 0;               ///< of training; 0: as many as the time allows
  uint64_t seed = 0;
};

/// The objectives: names of the presets under toy/.
std::vector<std::string> toy_objectives();

struct ToyResult {
  data::Image picture;  ///< data, learned vector field, samples, density: left to right
  int64_t steps = 0;    ///< taken
  double loss = 0;      ///< mean over the last of them
};

/// Trains and draws. The vector field is the score where the noise has 0.3 of the data's scale.
/// Throws UserError (unknown_key) for names that do not exist.
ToyResult run_toy(const ToyJob& job);

}  // namespace ito::tools
