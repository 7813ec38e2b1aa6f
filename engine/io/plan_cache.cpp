#include "engine/io/plan_cache.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/core/check.h"
#include "engine/core/log.h"
#include "engine/io/atomic_file.h"

namespace ito {
namespace {

/// One line "key<tab>algorithm<tab>workspace".
bool parse_plan(const std::string& line, std::string& key, AlgorithmPlan& plan) {
  const size_t tab = line.find('\t');
  if (tab == 0 || tab == std::string::npos) return false;
  key = line.substr(0, tab);
  std::istringstream numbers(line.substr(tab));
  std::string rest;
  return (numbers >> plan.algorithm >> plan.workspace) && plan.algorithm >= 0 &&
         plan.workspace >= 0 && !(numbers >> rest);
}

}  // namespace

PlanCache::PlanCache(std::filesystem::path path, std::string version)
    : path_(std::move(path)), version_(std::move(version)) {
  read();
}

std::string PlanCache::first_line() const { return "ito plans 1 " + version_; }

void PlanCache::read() {
  std::ifstream file(path_);
  if (path_.empty() || !file) return;
  const auto ignore = [&](const std::string& why) {
    plans_.clear();
    log(LogLevel::warning, escaped(path_.string()) + " is ignored: " + why);
  };
  std::string line, key;
  if (!std::getline(file, line) || line != first_line()) return ignore("it is of another version");
  AlgorithmPlan plan;
  while (std::getline(file, line) && parse_plan(line, key, plan)) plans_[key] = plan;
  if (line != "end " + std::to_string(plans_.size())) ignore("it is damaged");
}

std::optional<AlgorithmPlan> PlanCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = plans_.find(key);
  if (found == plans_.end()) return std::nullopt;
  return found->second;
}

void PlanCache::add(const std::string& key, const AlgorithmPlan& plan) {
  const std::lock_guard lock(mutex_);
  plans_[key] = plan;
  if (path_.empty() || write_failed_) return;
  try {
    write();
  } catch (const std::exception& e) {
    write_failed_ = true;
    log(LogLevel::warning, std::string("plans are not kept: ") + e.what());
  }
}

void PlanCache::write() {
  std::string text = first_line() + "\n";
  for (const auto& [key, plan] : plans_) {
    text +=
        key + "\t" + std::to_string(plan.algorithm) + "\t" + std::to_string(plan.workspace) + "\n";
  }
  text += "end " + std::to_string(plans_.size()) + "\n";
  std::filesystem::create_directories(path_.parent_path());
  write_file_atomically(path_, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::filesystem::path cache_folder() {
  const auto folder = [](const char* variable, const char* below) {
    const char* text = std::getenv(variable);
    const bool set = text != nullptr && *text != '\0';
    return set ? std::filesystem::path(text) / below : std::filesystem::path();
  };
  for (const auto& [variable, below] :
       {std::pair{"ITO_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "ito"}, {"HOME", ".cache/ito"}}) {
    const std::filesystem::path path = folder(variable, below);
    if (!path.empty()) return path;
  }
  return {};
}

}  // namespace ito
