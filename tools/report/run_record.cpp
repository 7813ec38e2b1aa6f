#include "tools/report/run_record.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"

namespace ito::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string file_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The objects among the lines of a file.
std::vector<Json> lines_of(const fs::path& file) {
  std::vector<Json> list;
  std::ifstream in(file, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line, nullptr, false);
    if (json.is_object()) list.push_back(std::move(json));
  }
  return list;
}

bool has_number(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number();
}

void read_metrics(RunRecord& run) {
  for (const Json& line : lines_of(run.path / "metrics.jsonl")) {
    if (!has_number(line, "step")) continue;
    for (const auto& [key, value] : line.items()) {
      if (key == "step" || !value.is_number()) continue;
      Series& series = run.metrics[key];
      series.steps.push_back(line["step"].get<double>());
      series.values.push_back(value.get<double>());
    }
  }
}

/// The file's own rate is an average since the process started; what happened between two lines
/// shows more. The first line of a process has no line before it.
void read_timing(RunRecord& run) {
  double step = -1, seconds = 0;  // of the line before
  for (const Json& line : lines_of(run.path / "timing.jsonl")) {
    if (!has_number(line, "step") || !has_number(line, "seconds") ||
        !has_number(line, "images_per_second")) {
      continue;
    }
    const double next = line["step"].get<double>(), now = line["seconds"].get<double>();
    const double average = line["images_per_second"].get<double>();
    const double steps_of_process = average * now / run.config.train.batch;
    const bool first = steps_of_process < next - step + 0.5;
    run.images_per_second.steps.push_back(next);
    run.images_per_second.values.push_back(
        first ? average : (next - step) * run.config.train.batch / (now - seconds));
    step = next;
    seconds = now;
  }
}

std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  // Text of a foreign file may be no UTF-8: then the page shows replacement characters.
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void read_environment(RunRecord& run) {
  const std::vector<Json> lines = lines_of(run.path / "environment.jsonl");
  if (lines.empty()) return;
  for (const auto& [key, value] : lines.back().items()) run.environment[key] = plain(value);
  if (has_number(lines.back(), "convolution_gflops")) {
    run.measured_gflops = lines.back()["convolution_gflops"].get<double>();
  }
}

void read_evaluations(RunRecord& run) {
  for (const Json& line : lines_of(run.path / "eval.jsonl")) {
    const auto metrics = line.find("metrics");
    if (metrics == line.end() || !metrics->is_object()) continue;
    std::map<std::string, std::string> row;
    if (line.contains("target")) row["target"] = plain(line["target"]);
    for (const auto& [key, value] : metrics->items()) row[key] = plain(value);
    run.evaluations.push_back(std::move(row));
  }
}

/// Nothing if the file is no PNG.
std::optional<Picture> read_picture(const fs::path& file) {
  constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
  const std::string bytes = file_text(file);
  if (!bytes.starts_with(kSignature)) return std::nullopt;
  return Picture{file.filename().string(), {bytes.begin(), bytes.end()}};
}

void read_pictures(RunRecord& run) {
  constexpr size_t kMostBytes = 8 << 20;
  std::vector<fs::path> files, trajectories;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run.path / "samples", error)) {
    if (entry.path().extension() == ".png" && entry.file_size(error) <= kMostBytes) {
      const bool is_grid = !entry.path().filename().string().starts_with("trajectory_");
      (is_grid ? files : trajectories).push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (!trajectories.empty()) run.trajectory = read_picture(std::ranges::max(trajectories));
  const size_t count = std::min(files.size(), kMostPictures);
  for (size_t i = 0; i < count; ++i) {
    const fs::path& file = files[count == 1 ? 0 : i * (files.size() - 1) / (count - 1)];
    if (auto picture = read_picture(file)) run.pictures.push_back(std::move(*picture));
  }
}

}  // namespace

RunRecord read_run(const fs::path& path) {
  RunRecord run;
  run.path = path;
  run.name = fs::absolute(path).lexically_normal().filename().string();
  if (run.name.empty()) run.name = fs::absolute(path).parent_path().filename().string();
  const fs::path config = path / "config.toml";
  if (!fs::is_regular_file(config)) {
    fail(ErrorCode::file_missing, config.string(), "is not there, so this is no run",
         "name the folder given to ito train --out");
  }
  run.toml = file_text(config);
  run.config.fields().apply_known(tools::settings_from_toml(run.toml, config.string()),
                                  config.string());
  read_metrics(run);
  read_timing(run);
  read_environment(run);
  read_evaluations(run);
  read_pictures(run);
  return run;
}

}  // namespace ito::report
