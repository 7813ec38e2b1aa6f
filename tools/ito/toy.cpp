#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/core/nearest_name.h"
#include "tools/data/png.h"
#include "tools/ito/commands.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"
#include "tools/run/output_check.h"
#include "tools/run/pitfalls.h"
#include "tools/run/progress.h"
#include "tools/run/toy_run.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

struct ToyOptions {
  std::string data = "all", objective = "dsm", out = "toy";
  double minutes = 3;
  int64_t steps = 0, seed = 0;
  int threads = 0;
  bool json = false;
};

/// Those of `names` that an option asks for: all, or one.
std::vector<std::string> chosen(const std::string& option, const std::string& wanted,
                                const std::vector<std::string>& names) {
  if (wanted == "all") return names;
  if (std::ranges::find(names, wanted) != names.end()) return {wanted};
  const std::vector<std::string_view> views(names.begin(), names.end());
  fail(ErrorCode::unknown_key, option, "there is no \"" + wanted + "\"",
       "use " + std::string(nearest_name(wanted, views)) + " (the nearest), or all");
}

std::string picture_name(const std::string& set, const std::string& objective) {
  return set + "_" + objective + ".png";
}

/// Draws both, and says what they show.
Json write_pitfalls(const ToyOptions& o, const fs::path& out) {
  const auto seed = static_cast<uint64_t>(o.seed);
  const std::string mixing_file = out / "pitfall_mixing.png";
  const MixingDemo mixing = show_slow_mixing(seed);
  data::write_png(mixing_file, mixing.picture);
  const std::string density_file = out / "pitfall_low_density.png";
  const LowDensityDemo density = show_low_density(seed);
  data::write_png(density_file, density.picture);
  if (!o.json) {
    std::printf(
        "%s: two modes of weights 0.8 and 0.2; share of the large one\n"
        "  data %.2f, Langevin dynamics at one noise level %.2f, annealed %.2f\n"
        "%s: true field, learned field, error and data\n"
        "  relative error of the score where data is %.2f, elsewhere %.2f\n",
        escaped(mixing_file).c_str(), mixing.data, mixing.plain, mixing.annealed,
        escaped(density_file).c_str(), density.error_near, density.error_far);
  }
  return {{"mixing",
           {{"file", mixing_file},
            {"data", mixing.data},
            {"plain", mixing.plain},
            {"annealed", mixing.annealed}}},
          {"low_density",
           {{"file", density_file},
            {"error_near", density.error_near},
            {"error_far", density.error_far}}}};
}

/// Trains and draws: an entry of `pictures`, or of `failed` where numbers did not stay finite.
void write_picture(const ToyOptions& o, const ToyJob& job, const std::string& file, Json& told) {
  Json entry = {{"data", job.data}, {"objective", job.objective}};
  try {
    const ToyResult result = run_toy(job);
    if (interrupted()) return;
    data::write_png(file, result.picture);
    if (!o.json) {
      std::printf("%s: %lld steps, loss %.4g\n", escaped(file).c_str(),
                  static_cast<long long>(result.steps), result.loss);
      std::fflush(stdout);
    }
    entry.update({{"file", file}, {"steps", result.steps}, {"loss", result.loss}});
    told["pictures"].push_back(entry);
  } catch (const UserError& e) {
    if (e.code() != ErrorCode::not_finite) throw;
    if (!o.json) std::printf("%s: none, %s\n", escaped(file).c_str(), e.fact().c_str());
    entry["fact"] = e.fact();
    told["failed"].push_back(entry);
  }
}

fs::path made_folder(const ToyOptions& o) {
  const fs::path out(o.out);
  std::error_code error;
  fs::create_directories(out, error);
  if (!fs::is_directory(out, error)) {
    fail(ErrorCode::write_failed, o.out, "is no folder and cannot be made one",
         "name a folder that you may write to");
  }
  for (const char* name : {"pitfall_mixing.png", "pitfall_low_density.png"}) {
    check_output_file((out / name).string());
  }
  return out;
}

int run_gallery(const ToyOptions& o) {
  CommonOptions{.device = "cpu", .threads = o.threads}.apply();
  install_interrupt_handlers();
  const auto sets =
      chosen("--data", o.data, {"checkerboard", "swiss_roll", "two_moons", "gaussians8"});
  const auto objectives = chosen("--objective", o.objective, toy_objectives());
  const fs::path out = made_folder(o);
  for (const std::string& set : sets) {
    for (const std::string& objective : objectives) {
      check_output_file((out / picture_name(set, objective)).string());
    }
  }
  // Sampling and the density take about as long as two seconds of training, the pitfalls ten.
  const double runs = static_cast<double>(sets.size() * objectives.size());
  const double seconds = std::max(0.5, (60 * o.minutes - 10) / runs - 2);
  Progress progress;
  if (!o.json) std::printf("From left to right: data, learned score, samples, density\n");
  Json told = {{"pictures", Json::array()}, {"failed", Json::array()}};
  for (const std::string& set : sets) {
    for (const std::string& objective : objectives) {
      const std::string name = picture_name(set, objective);
      progress.show("training " + name);
      write_picture(o,
                    {.data = set,
                     .objective = objective,
                     .seconds = seconds,
                     .steps = o.steps,
                     .seed = static_cast<uint64_t>(o.seed)},
                    out / name, told);
      if (interrupted()) return kExitPreempted;
    }
  }
  told.update(write_pitfalls(o, out));
  if (o.json) print_json(told);
  return 0;
}

}  // namespace

Command add_toy(CLI::App& app) {
  const auto o = std::make_shared<ToyOptions>();
  app.add_option("--data", o->data, "checkerboard, swiss_roll, two_moons, gaussians8, or all")
      ->capture_default_str();
  app.add_option("--objective", o->objective, "dsm, ssm_vr, edm, ... (the presets toy/...), or all")
      ->capture_default_str();
  app.add_option("--out", o->out, "Folder for the pictures")->capture_default_str();
  app.add_option("--minutes", o->minutes, "Time for everything")
      ->check(CLI::Range(0.001, kMostMinutes))
      ->capture_default_str();
  app.add_option("--steps", o->steps,
                 "Training steps of each network instead of a time; 0: by time")
      ->check(CLI::Range(int64_t{0}, kMostSteps));
  app.add_option("--seed", o->seed, "Seed of everything random")
      ->check(CLI::Range(int64_t{0}, kMostSeed))
      ->capture_default_str();
  app.add_option("--threads", o->threads, "Threads; 0: one per core")->check(CLI::Range(0, 4096));
  add_json(app, o->json);
  return [o] { return run_gallery(*o); };
}

}  // namespace ito::tools
