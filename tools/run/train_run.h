// Training in a run folder: data, steps, metrics, grids, checkpoints, resume.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/core/device.h"
#include "tools/config/config.h"

namespace ito::tools {

/// automatic: go on with the newest checkpoint in the run's folder, if there is one. never: there
/// must be none. from_path: begin with a checkpoint of another folder, its weights, averages,
/// optimizer state and step; once begun, go on as with automatic.
enum class Resume : uint8_t { automatic, never, from_path };

struct TrainJob {
  Config config;
  std::filesystem::path out;
  Resume resume = Resume::automatic;
  std::filesystem::path resume_from = {};  ///< folder of a run or checkpoint, for from_path
  Device device = kCpu;
  double max_minutes = 0;  ///< stop, save and report after this time; 0: no limit
};

enum class TrainEnd : uint8_t { finished, time_is_up, interrupted };

/// What a session of training did. Counts without "session" are those of the whole run.
struct TrainSummary {
  TrainEnd end = TrainEnd::finished;
  std::filesystem::path checkpoint;    ///< the newest, of the last step
  int64_t steps = 0, images = 0;       ///< images: those of skipped steps, too
  int64_t skipped = 0, rollbacks = 0;  ///< steps without an update; train.on_nonfinite
  int64_t session_steps = 0;           ///< those that were rolled back included
  double seconds = 0;                  ///< of the session's steps, with checkpoints and grids
  double images_per_second = 0;        ///< 0 without steps
  std::optional<double> loss;          ///< the session's last, as progress shows it
  std::optional<double> eval_loss;     ///< the session's last on held-out images
};

/// Trains until max_steps, the time limit, or a signal; always leaves a checkpoint of the last
/// step. Throws UserError.
TrainSummary run_training(const TrainJob& job);

}  // namespace ito::tools
