// eval.jsonl of a run: one line for each checkpoint that was evaluated, so that nothing is computed
// twice.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace ito::tools {

class EvalLog {
 public:
  /// Reads what is there; a line that a crash cut off does not count. Throws
  /// UserError(write_failed) now, not after hours, if the file cannot be appended to.
  explicit EvalLog(std::filesystem::path file);

  /// The newest record {"target", "conditions", "metrics"} of exactly these conditions, both as
  /// JSON text.
  std::optional<std::string> find(const std::string& conditions) const;
  /// Throws UserError(write_failed).
  void append(const std::string& record);

 private:
  void remember(const std::string& line);

  std::filesystem::path file_;
  std::map<std::string, std::string> records_;  // by conditions
  bool whole_ = true;                           // the file ends with a whole line
};

}  // namespace ito::tools
