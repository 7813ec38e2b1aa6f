// Networks and their needs as text.
#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/core/check.h"
#include "engine/io/settings_json.h"
#include "tools/ito/commands.h"
#include "tools/run/estimate.h"
#include "tools/run/json_text.h"
#include "tools/run/progress.h"

namespace ito::tools {
namespace {

constexpr double kMiB = 1 << 20, kGiB = 1 << 30;

std::string images_text(int64_t images) {
  return std::to_string(images) + (images == 1 ? " image" : " images");
}

nn::LayerRow total_of(const std::vector<nn::LayerRow>& rows) {
  nn::LayerRow total{.name = "all, for one image"};
  for (const nn::LayerRow& row : rows) {
    total.parameters += row.parameters;
    total.flops += row.flops;
    total.kept_bytes += row.kept_bytes;
  }
  return total;
}

int64_t frozen_parameters(const nn::Network& network) {
  int64_t frozen = 0;
  const auto shapes = network.clone();
  for (const nn::Parameter& p : nn::parameters_of(*shapes)) {
    if (p.training == nn::Training::frozen) frozen += p.value->numel();
  }
  return frozen;
}

/// What a configuration needs, and what fits into some memory.
struct Plan {
  int64_t batch, pass;  // images of a step, and at a time
  int64_t training_bytes, sampling_bytes;
  double images_per_second;
  int64_t memory, most_training, most_sampling;
};

/// `memory` 0: what is free now.
Plan plan_of(const nn::Network& network, const Config& config, int64_t memory) {
  const Estimate estimate(network, config);
  const int64_t batch = config.train.batch;
  const int64_t pass = config.train.micro_batch == 0 ? batch : config.train.micro_batch;
  if (memory == 0) memory = available_memory();
  return {
      .batch = batch,
      .pass = pass,
      .training_bytes = estimate.training_bytes(pass),
      .sampling_bytes = estimate.sampling_bytes(1),
      .images_per_second = estimate.training_speed(measured_rate(std::max(16, config.model.nf))),
      .memory = memory,
      .most_training = estimate.most_training(memory),
      .most_sampling = estimate.most_sampling(memory)};
}

}  // namespace

void print_layers(const nn::Network& network, const nn::ImageConfig& image) {
  const std::vector<nn::LayerRow> rows = nn::layer_table(network, image);
  int width = 5;
  for (const nn::LayerRow& row : rows) width = std::max(width, static_cast<int>(row.name.size()));
  const auto print = [width](const nn::LayerRow& row, const std::string& output) {
    std::printf("%-*s  %-20s %11" PRId64 " %10.2f %9.2f\n", width, row.name.c_str(), output.c_str(),
                row.parameters, row.flops / 1e6, static_cast<double>(row.kept_bytes) / kMiB);
  };
  std::printf("%-*s  %-20s %11s %10s %9s\n", width, "layer", "output", "parameters", "MFLOP",
              "kept MiB");
  for (const nn::LayerRow& row : rows) {
    print(row, row.output.rank() == 0 ? "-" : to_string(row.output));
  }
  const nn::LayerRow total = total_of(rows);
  print(total, "");
  const int64_t frozen = frozen_parameters(network);
  std::printf("trained %" PRId64 ", frozen %" PRId64 "\n", total.parameters - frozen, frozen);
}

void print_estimate(const nn::Network& network, const Config& config, int64_t memory) {
  const Plan p = plan_of(network, config, memory);
  std::printf("train    %s: a step of %s, %s at a time%s, about %.3g img/s here\n",
              bytes_text(p.training_bytes).c_str(), images_text(p.batch).c_str(),
              images_text(p.pass).c_str(),
              config.train.gradient_checkpointing ? ", blocks computed twice" : "",
              p.images_per_second);
  std::printf("sample   %s: one image\n", bytes_text(p.sampling_bytes).c_str());
  std::printf("in       %s%s: train %s at a time, sample %s\n", bytes_text(p.memory).c_str(),
              memory == 0 ? " (free now)" : "", images_text(p.most_training).c_str(),
              images_text(p.most_sampling).c_str());
}

void print_network_json(const nn::Network& network, Config config, int64_t memory,
                        const std::filesystem::path& file) {
  const std::vector<nn::LayerRow> rows = nn::layer_table(network, config.image());
  Json layers = Json::array();
  for (const nn::LayerRow& row : rows) {
    layers.push_back({{"name", row.name},
                      {"output", row.output.rank() == 0 ? Json() : Json(row.output.sizes())},
                      {"parameters", row.parameters},
                      {"flops", row.flops},
                      {"kept_bytes", row.kept_bytes}});
  }
  const nn::LayerRow total = total_of(rows);
  const int64_t frozen = frozen_parameters(network);
  const Plan p = plan_of(network, config, memory);
  print_json({{"file", file.empty() ? Json() : Json(file.string())},
              {"config", Json::parse(settings_to_json(config.settings()))},
              {"layers", layers},
              {"parameters", total.parameters},
              {"frozen", frozen},
              {"flops", total.flops},
              {"kept_bytes", total.kept_bytes},
              {"train",
               {{"batch", p.batch},
                {"at_a_time", p.pass},
                {"bytes", p.training_bytes},
                {"images_per_second", p.images_per_second}}},
              {"sample", {{"bytes", p.sampling_bytes}}},
              {"memory",
               {{"bytes", p.memory},
                {"most_training", p.most_training},
                {"most_sampling", p.most_sampling}}}});
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
