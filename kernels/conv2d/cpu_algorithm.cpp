#include "kernels/conv2d/cpu_algorithm.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

#include "engine/core/kernel_choice.h"
#include "engine/core/parallel.h"
#include "engine/core/storage.h"
#include "engine/io/plan_cache.h"
#include "kernels/common/cpu_info.h"

namespace ito {
namespace {

/// Everything that the choice depends on.
struct Key {
  ConvDirection direction;
  DType dtype;
  int threads;
  Conv2dParams::Sizes sizes;
  auto operator<=>(const Key&) const = default;
};

std::string text_of(const Key& key) {
  constexpr std::array kNames{"conv2d", "conv2d_dx", "conv2d_dw"};
  const auto [n, h, w, ci, co, kh, kw, stride, dilation, top, left, bottom, right] = key.sizes;
  std::ostringstream text;
  text << kNames[static_cast<size_t>(key.direction)] << ' ' << kh << 'x' << kw << ' '
       << name_of(key.dtype) << ", x " << n << 'x' << h << 'x' << w << 'x' << ci << ", " << co
       << " channels out, padding " << top << ' ' << left << ", " << key.threads << " threads";
  return text.str();
}

double seconds_of(const std::function<void(ConvAlgorithm)>& run, ConvAlgorithm algorithm) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  run(algorithm);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// More memory than the caches hold, read to put other data out of them.
class Sweep {
 public:
  Sweep() : memory_(Storage::allocate(kBytes, kCpu)) {}

  void run() {
    constexpr int64_t kLine = 64, kGrain = 1 << 20;
    std::atomic<int> sum = 0;
    parallel_ranges(kBytes, kGrain, [&](int64_t begin, int64_t end) {
      const auto* bytes = static_cast<const volatile char*>(memory_->data());
      int found = 0;
      for (int64_t i = begin; i < end; i += kLine) found += bytes[i];
      sum += found;
    });
  }

 private:
  static constexpr int64_t kBytes = 48 << 20;
  std::shared_ptr<Storage> memory_;
};

/// Whether other weights will have taken the caches when a convolution of this size is computed
/// again: a network has some dozens of them. Then what each algorithm reads of them counts.
bool finds_weights_cold(const Key& key) {
  constexpr int64_t kWeights = 1 << 16;
  const auto [n, h, w, ci, co, kh, kw, stride, dilation, top, left, bottom, right] = key.sizes;
  return key.direction != ConvDirection::dw && ci * co * kh * kw >= kWeights;
}

/// By the least time of several, taken in turns: other work on the machine only adds.
ConvAlgorithm measure(const Key& key, const std::function<void(ConvAlgorithm)>& run) {
  const bool cold = finds_weights_cold(key);
  constexpr int kFewest = 4, kMost = 40;
  constexpr double kEnough = 0.05;  // seconds
  const int most = cold ? kFewest : kMost;
  std::optional<Sweep> sweep;
  if (cold) sweep.emplace();
  std::array<double, 2> best;
  best.fill(std::numeric_limits<double>::infinity());
  double total = 0;
  for (int round = 0; round < kFewest || (round < most && total < kEnough); ++round) {
    for (const ConvAlgorithm a : {ConvAlgorithm::direct, ConvAlgorithm::winograd}) {
      if (cold) sweep->run();
      const double time = seconds_of(run, a);
      total += time;
      best[static_cast<size_t>(a)] = std::min(best[static_cast<size_t>(a)], time);
    }
  }
  return best[0] <= best[1] ? ConvAlgorithm::direct : ConvAlgorithm::winograd;
}

/// What ITO_CPU_CONVOLUTION asks for.
std::optional<ConvAlgorithm> forced_algorithm() {
  const char* value = std::getenv("ITO_CPU_CONVOLUTION");
  const std::string setting = value == nullptr ? "" : value;
  if (setting == "direct") return ConvAlgorithm::direct;
  if (setting == "winograd") return ConvAlgorithm::winograd;
  return std::nullopt;
}

class Choices {
 public:
  Choices()
      : forced_(forced_algorithm()),
        kept_(cache_folder().empty() ? cache_folder() : cache_folder() / "cpu_convolutions.txt",
              "winograd 5") {}

  ConvAlgorithm get(const Key& key, const std::function<void(ConvAlgorithm)>& run) {
    if (forced_) return *forced_;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = made_.find(key); found != made_.end()) return found->second;
    }
    const std::string text = text_of(key), machine = cpu_info().model + ", " + text;
    const std::optional<AlgorithmPlan> before = kept_.find(machine);
    const ConvAlgorithm chosen =
        before ? static_cast<ConvAlgorithm>(before->algorithm == 1) : measure(key, run);
    if (!before) kept_.add(machine, {.algorithm = static_cast<int>(chosen), .workspace = 0});
    record_kernel_choice({text, chosen == ConvAlgorithm::direct ? "direct" : "Winograd",
                          before ? "from the plan cache" : "the faster by timing"});
    const std::lock_guard lock(mutex_);
    return made_.emplace(key, chosen).first->second;
  }

 private:
  const std::optional<ConvAlgorithm> forced_;
  PlanCache kept_;
  std::mutex mutex_;
  std::map<Key, ConvAlgorithm> made_;
};

}  // namespace

ConvAlgorithm fastest_algorithm(ConvDirection direction, const Conv2dParams& p, DType dtype,
                                const std::function<void(ConvAlgorithm)>& run) {
  static auto* choices = new Choices;  // never destroyed: other statics may still convolve
  return choices->get({direction, dtype, num_threads(), p.sizes()}, run);
}

}  // namespace ito
