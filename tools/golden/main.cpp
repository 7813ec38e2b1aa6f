// golden_runner: every case of a folder of golden files against this library, in reference mode.
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>

#include "engine/core/math_mode.h"
#include "tools/golden/case_run.h"

namespace ito::golden {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string precision = "fp32", device = "cpu", math = "exact", folder;
  std::vector<std::string> filters;
  bool verbose = false;
};

struct Totals {
  int passed = 0, failed = 0, unknown = 0;
  bool unreadable = false;
};

Mode mode_of(const Options& o) {
  Mode mode;
  if (o.precision == "fp64") mode.precision = Precision::fp64;
  if (o.precision == "bf16") mode.precision = Precision::bf16;
  if (o.device == "emulated") mode.device = kEmulated;
  if (o.device == "cuda") mode.device = {DeviceKind::cuda, 0};
  if (!is_available(mode.device)) {
    fail(ErrorCode::device_unavailable, "--device " + o.device, "does not answer",
         "use --device cpu");
  }
  return mode;
}

std::vector<fs::path> files_of(const Options& o) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(o.folder, error)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  if (error || files.empty()) {
    fail(ErrorCode::file_missing, o.folder,
         error ? error.message() : std::string("has no *.safetensors"),
         "name the folder of the golden files");
  }
  std::erase_if(files, [&](const fs::path& file) {
    const std::string name = file.stem().string();
    return !o.filters.empty() && std::ranges::none_of(o.filters, [&](const std::string& glob) {
      return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
    });
  });
  if (files.empty())
    fail(ErrorCode::bad_usage, "--filter", "no case fits", "see the folder's names");
  std::ranges::sort(files);
  return files;
}

void run_case(CaseRun& run) {
  struct Kind {
    const char* category;
    void (*run)(CaseRun&);
  };
  constexpr Kind kKinds[] = {{"model", run_model},
                             {"layer", run_layer},
                             {"sde", run_sde},
                             {"loss", run_loss},
                             {"train", run_train},
                             {"pc_sampler", run_pc},
                             {"inpaint", run_pc},
                             {"colorize", run_pc},
                             {"ode_sampler", run_ode},
                             {"likelihood", run_likelihood}};
  const std::string& category = run.golden().category;
  const auto* kind = std::ranges::find(kKinds, category, &Kind::category);
  if (kind == std::end(kKinds)) throw Unknown("kind:" + category);
  kind->run(run);
  run.check_complete();
  if (run.errors().empty()) throw Unknown("nothing-to-compare");
}

void print_line(const char* verdict, const std::string& name, const ArrayError& e) {
  std::printf("%s %s %s err=%.3g limit=%.3g\n", verdict, escaped(name).c_str(),
              escaped(e.name).c_str(), e.error, e.limit);
}

/// Prints and counts the verdict on arrays that were compared.
void judge(const CaseRun& run, const Options& o, Totals& totals) {
  const auto worst = std::ranges::max_element(run.errors(), {}, &ArrayError::share);
  const bool good =
      std::ranges::all_of(run.errors(), [](const ArrayError& e) { return e.error <= e.limit; });
  print_line(good ? "PASS" : "FAIL", run.golden().name, *worst);
  ++(good ? totals.passed : totals.failed);
  if (!o.verbose) return;
  for (const ArrayError& e : run.errors()) {
    std::printf("  %s err=%.3g limit=%.3g", escaped(e.name).c_str(), e.error, e.limit);
    if (e.reference > 0) std::printf(" reference=%.3g", e.reference);
    std::printf("\n");
  }
}

void check_file(const fs::path& file, const Options& o, Mode mode, Totals& totals) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::string name = file.stem().string();
  try {
    const Case golden = read_case(file);
    CaseRun run(golden, mode);
    run_case(run);
    judge(run, o, totals);
  } catch (const Unknown& e) {
    print_line("UNKNOWN", name, {e.what(), kNan, kNan});
    ++totals.unknown;
  } catch (const UserError& e) {
    std::fprintf(stderr, "error[E%d] %s\n", static_cast<int>(e.code()), e.what());
    const int exit_code = exit_code_of(e.code());
    const bool refused = exit_code == 2;  // values that our networks, SDEs or losses do not take
    const bool mismatch = e.code() == ErrorCode::file_mismatch;  // an array is absent or differs
    const bool unreadable = exit_code == 3 && !mismatch;
    totals.unreadable |= unreadable;
    const std::string reason = refused      ? "refused:" + e.subject()
                               : mismatch   ? "mismatch"
                               : unreadable ? "unreadable"
                                            : "exception";
    print_line(refused ? "UNKNOWN" : "FAIL", name, {reason, kNan, kNan});
    ++(refused ? totals.unknown : totals.failed);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", escaped(name).c_str(), escaped(e.what()).c_str());
    print_line("FAIL", name, {"exception", kNan, kNan});
    ++totals.failed;
  }
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  CLI::App app("Checks this library against golden files of the reference implementation");
  Options o;
  app.add_option("--precision", o.precision, "of parameters and inputs")
      ->check(CLI::IsMember({"fp32", "fp64", "bf16"}))
      ->capture_default_str();
  app.add_option("--device", o.device, "where the ops run")
      ->check(CLI::IsMember({"cpu", "emulated", "cuda"}))
      ->capture_default_str();
  app.add_option("--math", o.math, "algorithms of the ops")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str();
  app.add_option("--filter", o.filters, "only cases whose name fits one of these patterns (*, ?)")
      ->allow_extra_args(false);
  app.add_flag("--verbose", o.verbose,
               "list every array, with the reference's own error in fp32 where it is known");
  app.add_option("DIR", o.folder, "folder with NAME.safetensors (and NAME.json)")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fail(ErrorCode::bad_usage, "command line", e.what(), "see golden_runner --help");
  }
  const Mode mode = mode_of(o);
  if (o.math == "fast") set_math_mode(MathMode::fast);
  Totals totals;
  for (const fs::path& file : files_of(o)) check_file(file, o, mode, totals);
  std::printf("%d passed, %d failed, %d unknown\n", totals.passed, totals.failed, totals.unknown);
  if (totals.unreadable) return 3;
  return totals.failed + totals.unknown == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ito::golden

int main(int argc, char** argv) {
  try {
    return ito::golden::run(argc, argv);
  } catch (const ito::UserError& e) {
    std::fprintf(stderr, "error[E%d] %s\n", static_cast<int>(e.code()), e.what());
    return ito::exit_code_of(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error[E101] golden_runner: %s\n", ito::escaped(e.what()).c_str());
    return 1;
  }
}
