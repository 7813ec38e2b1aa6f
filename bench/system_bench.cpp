// Times what is neither an op nor a network: steps of samplers, training steps, the optimizer, the
// loader, and the start of the program.
//   system_bench [--ito=PATH] [--math=exact|fast] [--benchmark_filter=sampler/pc]
//                [--benchmark_repetitions=5 --benchmark_report_aggregates_only=true]
//                [--benchmark_out=file.json]
// --ito: the program; beside this one if not given. Medians over repetitions are what to read
// (docs/performance.md).
#include "bench/system_bench.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "tests/support/temporary_folder.h"

namespace ito::bench {
namespace {

bool failed = false;

struct Options {
  std::filesystem::path ito = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "ito";
  MathMode math = MathMode::exact;
};

/// Takes our own options out of the arguments.
Options take_options(int& argc, char** argv) {
  Options options;
  const auto taken = [&](const std::string_view word) {
    constexpr std::string_view kIto = "--ito=";
    if (word.starts_with(kIto)) {
      options.ito = word.substr(kIto.size());
    } else if (word == "--math=fast") {
      options.math = MathMode::fast;
    } else {
      return word == "--math=exact";
    }
    return true;
  };
  char** const end = std::remove_if(argv + 1, argv + argc, taken);
  argc = static_cast<int>(end - argv);
  return options;
}

int run(const Options& options) {
  set_math_mode(options.math);
  const Ceilings top = measure_ceilings(kCpu);
  std::printf("ceilings with %d threads: copy %.1f GB/s\n", num_threads(), top.copy_bytes * 1e-9);
  benchmark::AddCustomContext("copy_bytes_per_second", std::to_string(top.copy_bytes));
  benchmark::AddCustomContext("threads", std::to_string(num_threads()));
  benchmark::AddCustomContext("math", options.math == MathMode::fast ? "fast" : "exact");
  const testing::TemporaryFolder folder("ito-bench");
  register_networks();
  register_optimizer(top);
  register_loaders(folder.path());
  register_starts(options.ito, folder.path());
  benchmark::RunSpecifiedBenchmarks();
  return any_failed() ? 1 : 0;
}

}  // namespace

void add(const std::string& name, const std::function<void(benchmark::State&)>& body) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [body](benchmark::State& state) {
        try {
          body(state);
        } catch (const std::exception& e) {  // one failure must not hide the others
          failed = true;
          state.SkipWithError(e.what());
        }
      })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

bool any_failed() { return failed; }

}  // namespace ito::bench

int main(int argc, char** argv) {
  try {
    benchmark::Initialize(&argc, argv);
    const ito::bench::Options options = ito::bench::take_options(argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    return ito::bench::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "system_bench: %s\n", e.what());
    return 1;
  }
}
