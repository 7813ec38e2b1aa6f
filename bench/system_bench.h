// Benchmarks of whole parts of the program: each function registers some with Google Benchmark.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "bench/roofline.h"

namespace benchmark {
class State;
}

namespace ito::bench {

/// Steps of samplers and of training, beside the bare network. `sampler/pc/PRESET/N`: one step of
/// reverse diffusion and Langevin's corrector; `sampler/ode/PRESET/N`: a sixth of a step of
/// Dormand-Prince, one evaluation and its share of the combinations.
void register_networks();
/// Clipping, Adam and average of all parameters.
void register_optimizer(const Ceilings& top);
/// Data sets in every form that can be written into `folder`.
void register_loaders(const std::filesystem::path& folder);
/// Processes of `ito`, from exec to exit. Writes a model into `folder`.
void register_starts(const std::filesystem::path& ito, const std::filesystem::path& folder);

/// A benchmark in milliseconds that takes its own time (state.SetIterationTime). What it throws
/// stands in its line, and in any_failed().
void add(const std::string& name, const std::function<void(benchmark::State&)>& body);
bool any_failed();

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace ito::bench
