// `ito bench`: how fast a network runs and trains on this machine.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/autograd/autograd.h"
#include "engine/core/allocator.h"
#include "engine/core/parallel.h"
#include "engine/cuda/stream.h"
#include "engine/random/noise.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/training/trainer.h"
#include "tools/ito/commands.h"
#include "tools/run/estimate.h"
#include "tools/run/json_text.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

struct BenchOptions {
  ConfigSources sources;
  int64_t batch = 8;
  double seconds = 3;
  bool json = false;
  CommonOptions common;
};

struct Measured {
  std::string name;
  int64_t images = 0;
  double flops = 0;                             ///< of one call
  double median = 0, fastest = 0, slowest = 0;  ///< seconds of a call
  int64_t calls = 0, peak_bytes = 0;
};

/// Calls `work` for about `seconds`, at least five times, after two calls that do not count.
void measure(Measured& m, Device device, double seconds, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&] {
    const Clock::time_point start = Clock::now();
    work();
    cuda::synchronize(device);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  timed();
  allocator_of(device).reset_peak();
  timed();
  m.peak_bytes = allocator_of(device).stats().peak_bytes;
  std::vector<double> times;
  double total = 0;
  while (total < seconds || times.size() < 5) {
    times.push_back(timed());
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  m.median = times[times.size() / 2];
  m.fastest = times.front();
  m.slowest = times.back();
  m.calls = std::ssize(times);
}

/// Passes through the network for one image and for a batch, and a training step.
class Bench {
 public:
  Bench(const Config& config, const BenchOptions& o, Device device)
      : config_(config),
        options_(o),
        device_(device),
        sde_(sde::make_sde(config.sde)),
        trainer_(make_network(), sde_, config.objective, config.optim, train_config(),
                 config.sde.num_scales),
        estimate_(trainer_.network(), config) {}

  std::vector<Measured> run() {
    std::vector<Measured> rows;
    for (const int64_t images : {int64_t{1}, options_.batch}) {
      if (images == 1 && options_.batch == 1 && !rows.empty()) continue;
      rows.push_back(forward(images));
    }
    rows.push_back(step());
    return rows;
  }

 private:
  std::unique_ptr<nn::Network> make_network() const {
    auto network = nn::make_network(config_.model, config_.image(), 1);
    nn::move_to(*network, device_);
    return network;
  }
  sde::TrainConfig train_config() const {
    sde::TrainConfig train = config_.train;
    train.batch = static_cast<int>(options_.batch);
    train.micro_batch = 0;
    return train;
  }
  Tensor pictures(int64_t images) const {
    const nn::ImageConfig s = config_.image();
    Tensor x = Tensor::empty({images, s.image_size, s.image_size, s.channels}, DType::f32);
    fill_normal(x.span<float>(), {1, Purpose::prior, 0}, 0);
    return x.to(device_);
  }
  std::vector<int64_t> classes(int64_t images) {
    return std::vector<int64_t>(trainer_.network().classes() > 0 ? images : 0, 0);
  }

  Measured forward(int64_t images) {
    Measured m{.name = "forward",
               .images = images,
               .flops = estimate_.flops() * static_cast<double>(images)};
    const NoGradScope off;
    const Tensor x = pictures(images);
    const Tensor labels = Tensor::full({images}, 1, DType::f32).to(device_);
    measure(m, device_, options_.seconds, [&] { trainer_.network().forward(x, labels); });
    return m;
  }
  Measured step() {
    const int64_t images = options_.batch;
    Measured m{.name = "training step",
               .images = images,
               .flops = static_cast<double>(images) / estimate_.training_speed(1)};
    const Tensor x = pictures(images);
    const std::vector<int64_t> y = classes(images);
    measure(m, device_, options_.seconds,
            [&] { y.empty() ? trainer_.step(x) : trainer_.step(x, y); });
    return m;
  }

  const Config& config_;
  const BenchOptions& options_;
  Device device_;
  std::shared_ptr<const sde::Sde> sde_;
  sde::Trainer trainer_;
  Estimate estimate_;
};

void print_table(const std::vector<Measured>& rows, double ceiling) {
  std::printf("%-14s %6s %10s %10s %17s %9s %9s %12s\n", "", "images", "median ms", "images/s",
              "fastest-slowest", "GFLOP/s", "of conv", "peak memory");
  for (const Measured& m : rows) {
    const double rate = m.flops / m.median;
    char range[32], share[16];
    std::snprintf(range, sizeof range, "%.4g-%.4g", 1e3 * m.fastest, 1e3 * m.slowest);
    std::snprintf(share, sizeof share, "%.0f %%", 100 * rate / ceiling);
    std::printf("%-14s %6lld %10.4g %10.4g %17s %9.4g %9s %12s\n", m.name.c_str(),
                static_cast<long long>(m.images), 1e3 * m.median,
                static_cast<double>(m.images) / m.median, range, rate / 1e9,
                ceiling > 0 ? share : "-", bytes_text(m.peak_bytes).c_str());
  }
}

void print_rows(const std::vector<Measured>& rows, double ceiling, Device device) {
  Json json{{"device", to_string(device)}, {"threads", num_threads()}};
  if (ceiling > 0) json["convolution_gflops"] = ceiling / 1e9;
  for (const Measured& m : rows) {
    json["rows"].push_back({{"name", m.name},
                            {"images", m.images},
                            {"calls", m.calls},
                            {"median_seconds", m.median},
                            {"fastest_seconds", m.fastest},
                            {"slowest_seconds", m.slowest},
                            {"images_per_second", static_cast<double>(m.images) / m.median},
                            {"gflops", m.flops / m.median / 1e9},
                            {"peak_bytes", m.peak_bytes}});
  }
  print_json(json);
}

int run_bench(const BenchOptions& o) {
  const Device device = o.common.apply();
  Config config = load_config(o.sources);
  config.validate();
  if (config.objective.classifies()) {
    fail(ErrorCode::bad_combination, "ito bench", "times score networks, this is a classifier",
         "choose another --preset");
  }
  // A data set would say what 0 leaves to it.
  if (config.data.image_size == 0) config.data.image_size = 32;
  if (config.data.channels == 0) config.data.channels = 3;
  const double ceiling =
      device.kind == DeviceKind::cpu ? measured_rate(std::max(16, config.model.nf)) : 0;
  Bench bench(config, o, device);
  const std::vector<Measured> rows = bench.run();
  o.json ? print_rows(rows, ceiling, device) : print_table(rows, ceiling);
  return 0;
}

}  // namespace

Command add_bench(CLI::App& app) {
  const auto o = std::make_shared<BenchOptions>();
  o->sources.preset = "mnist";
  app.add_option("--preset", o->sources.preset, "Configuration whose network is timed")
      ->capture_default_str();
  app.add_option("--config", o->sources.file, "TOML file; overrides the preset");
  add_overrides(app, o->sources.overrides, "section.key=value");
  app.add_option("--batch", o->batch, "Images per pass and per training step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--seconds", o->seconds, "Time for each row")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  add_json(app, o->json);
  o->common.add_to(app);
  return [o] { return run_bench(*o); };
}

}  // namespace ito::tools
