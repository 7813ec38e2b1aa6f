// Passes and training steps of a network, one at a time on request, so that another program can
// measure them interleaved with its peers (bench/compare). Commands come on standard input, one a
// line; each is answered by one line of JSON:
//   forward N     one pass without gradients over the first N inputs; {"seconds": s}
//   step N        one training step on them: loss, backward, clipping, Adam, average of the
//                 weights; {"seconds": s, "loss": l, "grad_norm": g}
//   output N FILE the network's output for them, to FILE; {}
//   ready         {}: the network is loaded
//
//   net_bench make PRESET FILE [key=value...]   writes a network with random weights
//   net_bench serve WEIGHTS INPUTS [--math exact|fast] [--precision fp32|bf16] [--threads N]
// INPUTS holds x [N, H, W, C] (images), labels [N], t [N] and z (noise, like x).
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/autograd/autograd.h"
#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "engine/io/safetensors.h"
#include "engine/io/settings_json.h"
#include "kernels/slice/op.h"
#include "models/load.h"
#include "models/make.h"
#include "sde/training/trained_network.h"
#include "sde/training/trainer.h"
#include "tools/config/config.h"

namespace ito::bench {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const Clock::time_point start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int make(const std::string& preset, const std::string& file, std::vector<std::string> overrides) {
  tools::Config config =
      tools::load_config({.preset = preset, .file = {}, .overrides = std::move(overrides)});
  const auto network = nn::make_network(config.model, config.image(), 1);
  write_safetensors(file, nn::named_parameters(*network),
                    {{"config", settings_to_json(config.settings())}});
  return 0;
}

class Server {
 public:
  Server(const std::string& weights, const std::string& inputs, const std::string& precision)
      : trained_(sde::load_trained_network(weights)),
        inputs_(read_safetensors(inputs)),
        sde_(sde::make_sde(trained_.sde)) {
    config_.fields().apply_known(trained_.settings, weights);
    config_.train.precision = precision;
    trainee_ = trained_.network->clone();
    if (precision == "bf16") nn::convert(*trained_.network, DType::bf16);
  }

  Json answer(const std::string& command, int64_t images, const std::string& file) {
    if (command == "ready") return Json::object();
    const Tensor x = first("x", images), labels = first("labels", images);
    if (command == "step") return step(x, images);
    const NoGradScope off;
    Tensor y;
    const double seconds = seconds_of([&] { y = trained_.network->forward(x, labels); });
    if (command == "forward") return {{"seconds", seconds}};
    if (command != "output") return {{"error", "no such command: " + command}};
    write_safetensors(file, {{"y", y}});
    return Json::object();
  }

 private:
  Tensor first(const char* name, int64_t images) const {
    return ops::slice(inputs_.at(name, "inputs"), 0, 0, images);
  }

  Json step(const Tensor& x, int64_t images) {
    if (!trainer_) {
      sde::TrainConfig train = config_.train;
      train.batch = static_cast<int>(images);
      trainer_.emplace(std::move(trainee_), sde_, config_.objective, config_.optim, train,
                       config_.sde.num_scales);
      batch_ = images;
    }
    if (images != batch_) return {{"error", "a process trains with one batch size"}};
    const std::vector<float> times = first("t", images).to_vector<float>();
    const std::vector<double> t(times.begin(), times.end());
    sde::StepReport report;
    const double seconds = seconds_of(
        [&] { report = trainer_->step(x, {.t = t, .index = {}, .z = first("z", images)}); });
    return {{"seconds", seconds}, {"loss", report.loss}, {"grad_norm", report.grad_norm}};
  }

  sde::TrainedNetwork trained_;
  std::unique_ptr<nn::Network> trainee_;  // in f32, until training begins
  SafetensorsFile inputs_;
  std::shared_ptr<const sde::Sde> sde_;
  tools::Config config_;
  std::optional<sde::Trainer> trainer_;
  int64_t batch_ = 0;
};

int serve(const std::vector<std::string>& args) {
  std::string precision = "fp32";
  for (size_t i = 3; i + 1 < args.size(); i += 2) {
    if (args[i] == "--math" && args[i + 1] == "fast") set_math_mode(MathMode::fast);
    if (args[i] == "--precision") precision = args[i + 1];
    if (args[i] == "--threads") set_num_threads(std::stoi(args[i + 1]));
  }
  Server server(args[1], args[2], precision);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, file;
    int64_t images = 0;
    words >> command >> images >> file;
    std::cout << server.answer(command, images, file).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace ito::bench

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    if (args.size() >= 3 && args[0] == "make") {
      return ito::bench::make(args[1], args[2], {args.begin() + 3, args.end()});
    }
    if (args.size() >= 3 && args[0] == "serve") return ito::bench::serve(args);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "net_bench: %s\n", e.what());
    return 1;
  }
  std::fputs("net_bench make PRESET FILE [key=value...] | serve WEIGHTS INPUTS [options]\n",
             stderr);
  return 2;
}
