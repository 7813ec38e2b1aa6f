// What a search for the fastest algorithm found, kept from one process to the next.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace ito {

struct AlgorithmPlan {
  int algorithm = 0;
  int64_t workspace = 0;  ///< bytes
  bool operator==(const AlgorithmPlan&) const = default;
};

/// A table from keys (one line of text without tabs) to plans, in memory and in a text file: a
/// first line with the format's name and `version`, then one line per plan, then the number of
/// plans. A file that is damaged or of another version is logged once and replaced by the next add;
/// one that cannot be written is logged once. An empty path keeps the table in memory. Thread-safe.
class PlanCache {
 public:
  PlanCache(std::filesystem::path path, std::string version);
  std::optional<AlgorithmPlan> find(const std::string& key) const;
  void add(const std::string& key, const AlgorithmPlan& plan);  ///< and writes the file

 private:
  std::string first_line() const;
  void read();
  void write();

  std::filesystem::path path_;
  std::string version_;
  mutable std::mutex mutex_;
  std::map<std::string, AlgorithmPlan> plans_;
  bool write_failed_ = false;
};

/// ITO_CACHE_DIR, or XDG_CACHE_HOME/ito, or HOME/.cache/ito; empty where none is set.
std::filesystem::path cache_folder();

}  // namespace ito
