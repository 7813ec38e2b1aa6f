// What every training run does: data, steps, metrics, checkpoints, resume, stopping.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sde/training/network_trainer.h"
#include "tools/data/batch_source.h"
#include "tools/run/background_loader.h"
#include "tools/run/event_file.h"
#include "tools/run/grid_schedule.h"
#include "tools/run/progress.h"
#include "tools/run/run_directory.h"
#include "tools/run/train_run.h"

namespace ito::tools {

/// What printf would print of up to 239 characters.
template <class... Args>
std::string text_of(const char* format, Args... args) {
  char text[240];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

/// One run from its start or checkpoint to its end. What is trained is up to the derived class.
class RunLoop {
 public:
  TrainSummary run();

 protected:
  /// Opens the data set, and fills and checks what the configuration leaves to it.
  explicit RunLoop(TrainJob job);
  ~RunLoop() = default;

  virtual sde::NetworkTrainer& trainer() = 0;
  virtual sde::StepReport train_step() = 0;
  /// Further figures of the steps in the loss window, by name, for the lines of metrics.
  virtual std::vector<std::pair<const char*, double>> figures() const { return {}; }
  /// What the averaged weights can do now: called when it is due (GridSchedule), and at the end;
  /// never if train.sample_every is 0.
  virtual void show_results() = 0;
  /// Whether there are results of this step already, so that a resumed run need not make them.
  virtual bool results_shown() const { return true; }
  /// Called once at the end of a run that was not interrupted, after the last show_results.
  virtual void show_end() {}
  /// Of results before train.sample_every, in training steps; infinity: there are none.
  virtual double early_cost() const { return std::numeric_limits<double>::infinity(); }

  /// The next batch of training, on the run's device.
  Batch next_batch();
  /// Samples of `set` by their indices, in the data range of training.
  Batch batch_of(const data::Dataset& set, const std::vector<int64_t>& indices) const;

  /// The loss of the averaged weights on held-out images, with noise that is the same for every
  /// call with this `part`.
  using HeldOutLoss = std::function<double(const Batch& batch, int64_t part)>;
  /// Null where the run has no such loss.
  virtual HeldOutLoss held_out_loss() { return {}; }

  std::unique_ptr<nn::Network> make_network() const;
  uint64_t seed() const { return static_cast<uint64_t>(config().train.seed); }
  const Config& config() const { return job_.config; }
  const data::Dataset& dataset() const { return *dataset_; }
  const std::shared_ptr<const sde::Sde>& sde() const { return sde_; }
  Device device() const { return job_.device; }
  const RunDirectory& directory() const { return *directory_; }
  Progress& progress() { return progress_; }
  EventFile& events() { return *events_; }

 private:
  using Clock = std::chrono::steady_clock;

  void resolve();
  void resolve_classes();
  void start();
  std::optional<std::filesystem::path> load_origin();
  void open_batches(uint64_t seed);
  void open_loader();
  TrainEnd train();
  TrainSummary summary();
  TrainEnd take_step();
  void roll_back(const sde::NonfiniteError& error);
  void report_step(int64_t step, const sde::StepReport& report);
  void report_skipped(int64_t step, const sde::StepReport& report);
  void rewind_metrics();
  void save();
  void evaluate(int64_t done);
  void open_held_out();
  bool shows_results() const { return config().train.sample_every > 0; }
  double seconds_trained() const {
    return std::chrono::duration<double>(Clock::now() - began_).count();
  }

  TrainJob job_;
  std::shared_ptr<const data::Dataset> dataset_;
  std::shared_ptr<const sde::Sde> sde_;
  std::shared_ptr<const data::Dataset> held_out_;  // null: none, or not asked for
  HeldOutLoss held_out_loss_;
  std::optional<RunDirectory> directory_;  // made when everything else is known to fit
  std::optional<EventFile> events_;
  Progress progress_;
  std::optional<GridSchedule> schedule_;
  int64_t saved_step_ = -1;
  std::filesystem::path checkpoint_;  // the newest
  int64_t rollbacks_since_save_ = 0;
  Clock::time_point began_;
  std::optional<double> loss_, eval_loss_;  // the last of this session
  int64_t steps_taken_ = 0;                 // in this session, those that were rolled back included
  double seconds_waited_ = 0;               // for loaders that are gone
  std::shared_ptr<const data::BatchSource> batches_;
  std::optional<BackgroundLoader> loader_;  // last: its thread reads the others
};

}  // namespace ito::tools
