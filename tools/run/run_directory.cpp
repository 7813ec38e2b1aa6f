#include "tools/run/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <vector>

#include "engine/core/check.h"
#include "engine/io/atomic_file.h"
#include "tools/run/output_check.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void write_failed(const fs::path& path, const std::string& reason) {
  fail(ErrorCode::write_failed, path.string(), reason, "check free space and permissions");
}

void write_text(const fs::path& file, const std::string& text) {
  write_file_atomically(file,
                        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

void append(const fs::path& file, const std::string& line) {
  std::ofstream out(file, std::ios::app | std::ios::binary);
  if (!(out << line << '\n') || !out.flush()) write_failed(file, "cannot be appended to");
}

std::string origin_text(const fs::path& origin) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(origin, error);
  return (error ? origin : whole).string() + "\n";
}

/// Files of a run that are written anew as a whole.
constexpr std::string_view kFiles[] = {"config.toml",   "metrics.jsonl",   "timing.jsonl",
                                       "accuracy.json", "algorithms.json", "origin"};

/// Names of checkpoints in the making, and of files of a run in the making.
bool is_temporary(const std::string& name) {
  if (name.starts_with(".tmp-step_")) return true;
  const std::string_view file = target_of_temporary(name);
  return std::ranges::find(kFiles, file) != std::end(kFiles) || file == "LATEST" ||
         file.starts_with("step_") || file.starts_with("trajectory_");
}

}  // namespace

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(samples(), error);
  if (error) write_failed(path_, "cannot be created: " + error.message());
  const fs::path file = path_ / "run.lock";
  lock_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) write_failed(file, std::strerror(errno));
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    lock_ = -1;
    fail(ErrorCode::output_locked, path_.string(), "another process is writing this run",
         "wait for it to end, or give another --out");
  }
  remove_temporaries();
}

void RunDirectory::check(const fs::path& path) {
  check_output_folder(path);
  std::error_code error;
  if (!fs::exists(path, error)) return;
  for (const char* name : {"samples", "checkpoints", "events"}) {
    if (fs::exists(path / name, error)) check_output_folder(path / name);
  }
  const auto check_file = [&](std::string_view name) {
    const fs::file_type there = fs::status(path / name, error).type();
    if (there == fs::file_type::not_found || there == fs::file_type::regular) return;
    write_failed(path / name, "is no file");
  };
  for (const std::string_view name : kFiles) check_file(name);
  for (const char* name : {"run.lock", "environment.jsonl", "checkpoints/LATEST"}) check_file(name);
}

void RunDirectory::remove_temporaries() const {
  for (const fs::path& folder : {path_, samples(), path_ / "checkpoints"}) {
    std::error_code error;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (is_temporary(entry.path().filename().string())) found.push_back(entry.path());
    }
    for (const fs::path& path : found) fs::remove_all(path, error);
  }
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) close(lock_);
}

void RunDirectory::write_config(const std::string& toml) const {
  write_text(path_ / "config.toml", toml);
}

void RunDirectory::write_origin(const fs::path& origin) const {
  write_text(path_ / "origin", origin_text(origin));
}

bool RunDirectory::began_with(const fs::path& origin) const {
  std::error_code error;
  if (fs::equivalent(origin, path_, error)) return true;
  std::ostringstream text;
  text << std::ifstream(path_ / "origin", std::ios::binary).rdbuf();
  return text.str() == origin_text(origin);
}

void RunDirectory::write_accuracy(const std::string& json) const {
  write_text(path_ / "accuracy.json", json);
}

void RunDirectory::rewind_metrics(int64_t losses_from, int64_t done) const {
  for (const char* name : {"metrics.jsonl", "timing.jsonl"}) {
    std::ifstream in(path_ / name, std::ios::binary);
    std::string kept, line;
    while (std::getline(in, line)) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      // A line cut off by a crash is dropped like a line of a later step.
      const auto at = json.is_object() ? json.find("step") : json.end();
      if (at == json.end() || !at->is_number_unsigned()) continue;
      const bool of_one_step = json.contains("eval_loss") || json.contains("nonfinite");
      if (*at < (of_one_step ? done : losses_from)) kept += line + "\n";
    }
    if (in.is_open()) write_text(path_ / name, kept);
  }
}

void RunDirectory::append_metrics(const std::string& line) const {
  append(path_ / "metrics.jsonl", line);
}
void RunDirectory::append_timing(const std::string& line) const {
  append(path_ / "timing.jsonl", line);
}
void RunDirectory::write_algorithms(const std::string& json) const {
  write_text(path_ / "algorithms.json", json);
}
void RunDirectory::append_environment(const std::string& line) const {
  append(path_ / "environment.jsonl", line);
}

}  // namespace ito::tools
