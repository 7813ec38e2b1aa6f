#include "tools/ito/eval_sweep.h"

#include <algorithm>
#include <sstream>

#include "engine/core/check.h"

namespace ito::tools {
namespace {

std::vector<SweepCell> table1(int steps) {
  const std::string n = std::to_string(steps), twice = std::to_string(2 * steps);
  std::vector<SweepCell> cells;
  for (const std::string name : {"ancestral_sampling", "reverse_diffusion", "probability_flow"}) {
    // The paper's probability flow is reverse diffusion with half the score and no noise (D.3).
    const bool flow = name == "probability_flow";
    const auto add = [&](const std::string& column, const std::string& count,
                         const std::string& corrector) {
      cells.push_back({name + " " + column,
                       {{"sampling.method", "pc"},
                        {"sampling.predictor", flow ? "reverse_diffusion" : name},
                        {"sampling.probability_flow", flow ? "true" : "false"},
                        {"sampling.corrector", corrector},
                        {"sampling.corrector_steps", "1"},
                        {"sampling.steps", count}}});
    };
    add("P" + n, n, "none");
    add("P" + twice, twice, "none");
    add("PC" + n, n, "langevin");
  }
  cells.push_back({"none C" + twice,
                   {{"sampling.method", "pc"},
                    {"sampling.predictor", "none"},
                    {"sampling.probability_flow", "false"},
                    {"sampling.corrector", "langevin"},
                    {"sampling.corrector_steps", "2"},
                    {"sampling.steps", n}}});
  return cells;
}

/// Every cell with every value of one more axis.
std::vector<SweepCell> with_axis(const std::vector<SweepCell>& cells, const std::string& axis) {
  const size_t equal = axis.find('=');
  if (equal == std::string::npos || equal == 0 || equal + 1 == axis.size()) {
    fail(ErrorCode::bad_usage, "--sweep", "\"" + axis + "\" is neither table1 nor key=v1,v2,...",
         "write, for example, --sweep snr=0.05,0.1,0.2");
  }
  const std::string key = axis.substr(0, equal);
  std::vector<SweepCell> result;
  for (const SweepCell& cell : cells) {
    std::istringstream values(axis.substr(equal + 1));
    for (std::string value; std::getline(values, value, ',');) {
      SweepCell next = cell;
      next.name += (next.name.empty() ? "" : " ") + key + "=" + value;
      next.settings.emplace_back("sampling." + key, value);
      result.push_back(std::move(next));
    }
  }
  return result;
}

}  // namespace

Config SweepCell::applied_to(const Config& config) const {
  Config changed = config;
  for (const auto& [key, value] : settings) changed.fields().assign(key, value, "--sweep");
  changed.sampling.validate();
  return changed;
}

std::vector<SweepCell> sweep_cells(const std::vector<std::string>& sweep, const Config& config) {
  std::vector<SweepCell> cells{{}};
  for (const std::string& axis : sweep) {
    if (axis != "table1") {
      cells = with_axis(cells, axis);
    } else if (&axis == &sweep.front()) {
      cells = table1(config.sampling.steps);
    } else {
      fail(ErrorCode::bad_usage, "--sweep", "table1 comes after another axis",
           "give it once, as the first --sweep");
    }
  }
  constexpr size_t kMostCells = 1000;
  if (cells.size() > kMostCells) {
    fail(ErrorCode::bad_value, "--sweep", "asks for " + std::to_string(cells.size()) + " settings",
         "ask for at most " + std::to_string(kMostCells));
  }
  // A setting that does not fit is told now, not after hours.
  for (const SweepCell& cell : cells) cell.applied_to(config);
  return cells;
}

std::string sweep_table(std::span<const std::vector<std::string>> rows) {
  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const std::string& cell : rows[r]) text += "| " + cell + " ";
    text += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < rows[r].size(); ++i) text += "| --- ";
    text += "|\n";
  }
  return text;
}

}  // namespace ito::tools
