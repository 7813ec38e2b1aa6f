// Networks and their needs as text.
#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <string>

#include "engine/core/check.h"
#include "tools/ito/commands.h"
#include "tools/run/estimate.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

constexpr double kMiB = 1 << 20, kGiB = 1 << 30;

std::string images_text(int64_t images) {
  return std::to_string(images) + (images == 1 ? " image" : " images");
}

}  // namespace

void print_layers(const nn::Network& network, const nn::ImageConfig& image) {
  const std::vector<nn::LayerRow> rows = nn::layer_table(network, image);
  int width = 5;
  for (const nn::LayerRow& row : rows) width = std::max(width, static_cast<int>(row.name.size()));
  std::printf("%-*s  %-20s %11s %10s %9s\n", width, "layer", "output", "parameters", "MFLOP",
              "kept MiB");
  nn::LayerRow total{.name = "all, for one image"};
  for (const nn::LayerRow& row : rows) {
    const std::string output = row.output.rank() == 0 ? "-" : to_string(row.output);
    std::printf("%-*s  %-20s %11" PRId64 " %10.2f %9.2f\n", width, row.name.c_str(), output.c_str(),
                row.parameters, row.flops / 1e6, static_cast<double>(row.kept_bytes) / kMiB);
    total.parameters += row.parameters;
    total.flops += row.flops;
    total.kept_bytes += row.kept_bytes;
  }
  std::printf("%-*s  %-20s %11" PRId64 " %10.2f %9.2f\n", width, total.name.c_str(), "",
              total.parameters, total.flops / 1e6, static_cast<double>(total.kept_bytes) / kMiB);
  int64_t frozen = 0;
  const auto shapes = network.clone();
  for (const nn::Parameter& p : nn::parameters_of(*shapes)) {
    if (p.training == nn::Training::frozen) frozen += p.value->numel();
  }
  std::printf("trained %" PRId64 ", frozen %" PRId64 "\n", total.parameters - frozen, frozen);
}

void print_estimate(const nn::Network& network, const Config& config, int64_t memory) {
  const Estimate estimate(network, config);
  const int64_t batch = config.train.batch;
  const int64_t pass = config.train.micro_batch == 0 ? batch : config.train.micro_batch;
  const bool free_memory = memory == 0;
  if (free_memory) memory = available_memory();
  const double speed = estimate.training_speed(measured_rate(std::max(16, config.model.nf)));
  std::printf("train    %s: a step of %s, %s at a time%s, about %.3g img/s here\n",
              bytes_text(estimate.training_bytes(pass)).c_str(), images_text(batch).c_str(),
              images_text(pass).c_str(),
              config.train.gradient_checkpointing ? ", blocks computed twice" : "", speed);
  std::printf("sample   %s: one image\n", bytes_text(estimate.sampling_bytes(1)).c_str());
  std::printf("in       %s%s: train %s at a time, sample %s\n", bytes_text(memory).c_str(),
              free_memory ? " (free now)" : "", images_text(estimate.most_training(memory)).c_str(),
              images_text(estimate.most_sampling(memory)).c_str());
}

int64_t parse_bytes(const std::string& text, const std::string& option) {
  const char* end = text.data() + text.size();
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  unit.erase(0, unit.find_first_not_of(' ') == std::string::npos ? unit.size()
                                                                 : unit.find_first_not_of(' '));
  const double factor = unit == "GiB" || unit == "G"   ? kGiB
                        : unit == "MiB" || unit == "M" ? kMiB
                        : unit.empty()                 ? 1
                                                       : 0;
  const double bytes = number * factor;
  if (error != std::errc() || !(bytes >= 1) || bytes > 1e18) {
    fail(ErrorCode::bad_value, option, "is \"" + text + "\"", "write 20GiB or 512MiB");
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace ito::tools
