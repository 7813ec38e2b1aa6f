// Several settings of the sampler, to be compared: the paper's Table 1, searches on a grid.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/config/config.h"

namespace ito::tools {

/// Settings of the sampler under a name.
struct SweepCell {
  std::string name;  ///< "reverse_diffusion PC500" or "snr=0.1 steps=500"; empty without a sweep
  std::vector<std::pair<std::string, std::string>> settings;  ///< "sampling.snr", "0.1"

  /// `config` with these settings. Throws UserError for values that do not fit.
  Config applied_to(const Config& config) const;
};

/// What --sweep asks for. "table1": the comparison of samplers in Song et al. 2021, Table 1, with
/// N = sampling.steps: for each predictor N steps (PN), 2 N steps (P2N), and N steps each corrected
/// once (PCN), and two corrector steps at each of N levels without a predictor (C2N). Otherwise
/// "key=v1,v2,...": values of sampling.key; several such axes make a grid. Nothing: one cell that
/// changes nothing. Throws UserError (bad_usage, bad_value).
std::vector<SweepCell> sweep_cells(const std::vector<std::string>& sweep, const Config& config);

/// A table in Markdown: a row per line, the first is its heading.
std::string sweep_table(std::span<const std::vector<std::string>> rows);

}  // namespace ito::tools
