// The subcommands. Each adds its options to the parser and returns what runs it; the result is the
// exit code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/settings.h"
#include "models/network.h"
#include "tools/config/config.h"
#include "tools/run/json_text.h"
#include "tools/run/train_run.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ito::tools {

using Command = std::function<int()>;

Command add_train(CLI::App& app);
Command add_sample(CLI::App& app);
Command add_likelihood(CLI::App& app);
Command add_edit(CLI::App& app);
Command add_eval(CLI::App& app);
Command add_data(CLI::App& app);
Command add_report(CLI::App& app);
Command add_info(CLI::App& app);
Command add_convert(CLI::App& app);
Command add_demo(CLI::App& app);
Command add_doctor(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_toy(CLI::App& app);
Command add_completion(CLI::App& app);
Command add_manual(CLI::App& app);

/// Largest values of options; text of the command line is checked against them.
inline constexpr int64_t kMostSteps = 4'000'000'000;  ///< noise counters take 32 bits
inline constexpr int64_t kMostSeed = INT64_MAX;
inline constexpr double kMostMinutes = 1e6;

/// The option --json of a command that prints one object.
CLI::Option* add_json(CLI::App& app, bool& json);

/// The option --set, one `form` ("section.key=value") each time it is given.
void add_overrides(CLI::App& app, std::vector<std::string>& overrides, const std::string& form);

/// Assigns what --set has given for a trained model, of which only some `sections` can be changed.
/// Throws UserError: bad_usage for anything else, and those of Fields::assign.
void assign_overrides(const Fields& fields, const std::vector<std::string>& overrides,
                      std::initializer_list<std::string_view> sections);

/// Which samples a command draws.
struct DrawOptions {
  std::string seeds = {};  ///< as parse_ranges takes them; empty: not given
  int64_t seed = 0, batch = 64;

  /// --seeds, --seed and --batch. `of_seed`: what the base seed is for. Returns --seeds.
  CLI::Option* add_to(CLI::App& app, const std::string& of_seed);
};

/// Options that several commands share.
struct CommonOptions {
  std::string device = "auto";
  int threads = 0;
  std::string math = "exact";

  void add_to(CLI::App& app);
  /// Chooses the device and sets the number of threads. Throws UserError(device_unavailable).
  Device apply() const;
};

/// Prints the network of a configuration as a table: layers, their outputs, parameters, work and
/// activations.
void print_layers(const nn::Network& network, const nn::ImageConfig& image);
/// Prints what training and sampling need, and what fits into `memory` bytes (0: what is free now).
void print_estimate(const nn::Network& network, const Config& config, int64_t memory);
/// Both and the configuration as one object (docs/json.md, "ito info, network"). `file`: of the
/// weights; empty: there are none.
void print_network_json(const nn::Network& network, Config config, int64_t memory,
                        const std::filesystem::path& file = {});
/// docs/json.md, "ito train".
Json summary_json(const TrainSummary& summary);

/// "20GiB", "512 MiB" or a number of bytes. Throws UserError(bad_value) naming `option`.
int64_t parse_bytes(const std::string& text, const std::string& option);

/// "0-63", "5", "1,4,9-12" as indices in order. Throws UserError(bad_value) naming `option`.
std::vector<int64_t> parse_ranges(const std::string& text, const std::string& option);

}  // namespace ito::tools
