// A run's folder: configuration, metrics, samples, checkpoints, and a lock against a second writer.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

namespace ito::tools {

/// Holds the lock while it lives.
class RunDirectory {
 public:
  /// Creates the folder if need be, locks it, and removes what a killed writer left half-written.
  /// Throws UserError (write_failed, output_locked).
  explicit RunDirectory(std::filesystem::path path);
  /// Refuses a folder in which a run could not be written, before work is done for it: something
  /// else has its name, or the name of what a run holds. Throws UserError(write_failed).
  static void check(const std::filesystem::path& path);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path samples() const { return path_ / "samples"; }

  void write_config(const std::string& toml) const;
  /// Notes the run or checkpoint of another folder that this run begins with, in the file origin.
  void write_origin(const std::filesystem::path& origin) const;
  /// Whether it is that one, or `origin` is this folder itself.
  bool began_with(const std::filesystem::path& origin) const;
  /// accuracy.json, the newest report of a classifier.
  void write_accuracy(const std::string& json) const;
  /// Drops what steps at or after `done` wrote, as if the run had been stopped there, and lines of
  /// training losses at or after `losses_from`, which a run that goes on writes again.
  void rewind_metrics(int64_t losses_from, int64_t done) const;
  /// Appends a line to metrics.jsonl (numbers that a repeated run reproduces bit for bit) or to
  /// timing.jsonl (clock times).
  void append_metrics(const std::string& json_line) const;
  void append_timing(const std::string& json_line) const;
  /// algorithms.json: what --math fast chose (environment.h).
  void write_algorithms(const std::string& json) const;
  /// Appends a line to environment.jsonl: where this process runs (environment.h).
  void append_environment(const std::string& json_line) const;

 private:
  void remove_temporaries() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace ito::tools
