// What a run left in its folder.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/config/config.h"

namespace ito::report {

/// Values by step, in the order of the file.
struct Series {
  std::vector<double> steps, values;
};

struct Picture {
  std::string name;  ///< "step_00002000.png"
  std::vector<uint8_t> png;
};

struct RunRecord {
  std::filesystem::path path;
  std::string name;  ///< of the folder
  std::string toml;
  tools::Config config;
  std::map<std::string, Series> metrics;  ///< metrics.jsonl: "loss", "eval_loss", "lr", ...
  Series images_per_second;               ///< between lines of timing.jsonl
  std::map<std::string, std::string> environment;  ///< the newest line of environment.jsonl
  double measured_gflops = 0;  ///< of convolutions on the machine of the run; 0: not recorded
  std::vector<std::map<std::string, std::string>> evaluations;  ///< lines of eval.jsonl
  std::vector<Picture> pictures;  ///< at most `kMostPictures` grids of samples/, evenly spread, the
                                  ///< last one among them
  std::optional<Picture> trajectory;  ///< the newest
};
inline constexpr size_t kMostPictures = 6;

/// Lines that a crash cut off, and files that are no PNG, are left out. Throws UserError:
/// file_missing if `path` is no run, and what the configuration's reader throws.
RunRecord read_run(const std::filesystem::path& path);

}  // namespace ito::report
