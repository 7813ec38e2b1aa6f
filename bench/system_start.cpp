#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bench/system_bench.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"
#include "models/load.h"
#include "models/make.h"
#include "tools/config/config.h"

namespace ito::bench {
namespace {

/// A run of a program. What it writes on its error output is read through a pipe.
struct Process {
  double seconds = 0;      ///< from the call that starts it to its end
  double first_step = -1;  ///< to the first "step 1/" on its error output; -1: there was none
};

Process run_process(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  Process process;
  const Stopwatch watch;
  pid_t child = 0;
  const int error = posix_spawn(&child, words[0], &files, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  std::string text;
  char bytes[4096];
  for (ssize_t got = 0; (got = read(ends[0], bytes, sizeof bytes)) > 0;) {
    text.append(bytes, static_cast<size_t>(got));
    if (process.first_step < 0 && text.find("step 1/") != std::string::npos) {
      process.first_step = watch.seconds();
    }
  }
  close(ends[0]);
  if (error != 0) throw std::runtime_error("cannot start " + command[0] + " (see --ito)");
  int status = 0;
  waitpid(child, &status, 0);
  process.seconds = watch.seconds();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(command[0] + " " + command[1] + " failed: " + text);
  }
  return process;
}

/// `output` is removed before every run, so that each begins anew.
void time_process(benchmark::State& state, const std::vector<std::string>& command,
                  const std::filesystem::path& output) {
  double first_step = 0;
  for (auto _ : state) {
    std::filesystem::remove_all(output);
    const Process process = run_process(command);
    state.SetIterationTime(process.seconds);
    first_step += process.first_step;
  }
  if (first_step <= 0) return;
  state.counters["first_step_ms"] =
      benchmark::Counter(1e3 * first_step, benchmark::Counter::kAvgIterations);
}

void write_model(const std::filesystem::path& file) {
  tools::Config config = tools::load_config({.preset = "demo", .file = {}, .overrides = {}});
  const auto network = nn::make_network(config.model, config.image(), 1);
  write_safetensors(file, nn::named_parameters(*network),
                    {{"config", settings_to_json(config.settings())}});
}

}  // namespace

void register_starts(const std::filesystem::path& ito, const std::filesystem::path& folder) {
  const std::filesystem::path model = folder / "demo.safetensors", run = folder / "run";
  write_model(model);
  const auto add_command = [&](const std::string& name, std::vector<std::string> command) {
    command.insert(command.begin(), ito);
    add("start/" + name, [=](benchmark::State& s) { time_process(s, command, run); });
  };
  add_command("version", {"--version"});
  add_command("sample", {"sample", model, "--seeds", "0", "--steps", "1"});
  // Without pictures, which would take longer than all else.
  add_command("train", {"train", "--preset", "demo", "--max-steps", "1", "--sample-every", "0",
                        "--out", run});
}

}  // namespace ito::bench
