#include "tools/run/run_loop.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/core/check.h"
#include "engine/core/kernel_choice.h"
#include "models/load.h"
#include "models/make.h"
#include "sde/training/checkpoint.h"
#include "tools/data/pixel_map.h"
#include "tools/run/environment.h"
#include "tools/run/interrupt.h"
#include "tools/run/json_text.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostRollbacks = 10;  // to one checkpoint

/// The keys of the configuration that say what a network is.
Fields fields_of(nn::NetworkConfig& network) {
  Fields f;
  network.model.fields(f);
  network.image.fields(f);
  return f;
}

/// Refuses a checkpoint whose network is described otherwise, even if all tensors would fit.
void expect_same_network(const fs::path& checkpoint, const Config& config) {
  nn::NetworkConfig found =
      nn::network_config(sde::checkpoint_settings(checkpoint), checkpoint.string());
  nn::NetworkConfig wanted{config.model, config.image()};
  const Settings theirs = fields_of(found).values(), ours = fields_of(wanted).values();
  for (const auto& [key, value] : ours) {
    if (key == "model.dropout" || theirs.at(key) == value) continue;  // dropout is of the training
    fail(ErrorCode::file_mismatch, checkpoint.string(),
         key + " is " + to_string(theirs.at(key)) + " there and " + to_string(value) + " here",
         "resume with the configuration of that run: leave out --preset and --config");
  }
}

/// `"name": value` of a line of metrics; %.17g is the value itself, so that equal runs write equal
/// lines.
std::string member(const char* name, double value) {
  return text_of(", \"%s\": %.17g", name, value);
}

/// The beginning of a line about something that is not finite.
std::string nonfinite_line(int64_t step, const std::string& tensor) {
  return "{\"step\": " + std::to_string(step) + ", \"nonfinite\": " + json_text(tensor);
}

}  // namespace

RunLoop::RunLoop(TrainJob job)
    : job_((RunDirectory::check(job.out), std::move(job))),
      dataset_(data::open_dataset(job_.config.data, data::Split::train)),
      sde_((resolve(), sde::make_sde(job_.config.sde))) {
  open_batches(seed());  // refuses what does not fit before anything is written
}

void RunLoop::resolve() {
  Config& c = job_.config;
  c.data.image_size = dataset_->shape().height;
  c.data.channels = dataset_->shape().channels;
  resolve_classes();
  c.validate();
}

void RunLoop::resolve_classes() {
  Config& c = job_.config;
  const bool classifies = c.objective.classifies();
  if (!classifies && c.model.num_classes == 0) return;
  if (dataset_->classes() == 0) {
    fail(ErrorCode::bad_combination, "data.name", "\"" + c.data.name + "\" has no labels",
         classifies ? "a classifier needs a labelled data set, such as digits"
                    : "set model.num_classes = 0, or use a labelled data set, such as digits");
  }
  if (classifies && c.model.num_classes == 0) c.model.num_classes = dataset_->classes();
  if (c.model.num_classes != dataset_->classes()) {
    const std::string count = std::to_string(dataset_->classes());
    fail(ErrorCode::bad_combination, "model.num_classes",
         "is " + std::to_string(c.model.num_classes) + ", but the data set has " + count +
             " classes",
         "set model.num_classes = " + (classifies ? "0" : count + ", or 0 to train without"));
  }
}

std::unique_ptr<nn::Network> RunLoop::make_network() const {
  auto made = nn::make_network(config().model, config().image(), seed());
  nn::move_to(*made, job_.device);
  return made;
}

void RunLoop::open_batches(uint64_t seed) {
  batches_ = std::make_shared<data::BatchSource>(dataset_, config().train.batch, seed,
                                                 data::batch_options(config().data));
}

/// Batches from the trainer's next step on, drawn as its rollbacks say.
void RunLoop::open_loader() {
  if (loader_) seconds_waited_ += loader_->seconds_waited();
  loader_.reset();
  open_batches(trainer().stream().seed);
  loader_.emplace(
      [source = batches_](int64_t step) {
        const data::ImageShape s = source->dataset().shape();
        Batch batch{Tensor::empty({source->batch(), s.height, s.width, s.channels}, DType::f32),
                    std::vector<int64_t>(static_cast<size_t>(source->batch()))};
        source->batch_at(step, batch.images.span<float>(), batch.classes, {});
        return batch;
      },
      trainer().steps_done(), config().train.max_steps);
}

Batch RunLoop::next_batch() {
  Batch batch = loader_->at(trainer().steps_done());
  batch.images = batch.images.to(job_.device);
  return batch;
}

Batch RunLoop::batch_of(const data::Dataset& set, const std::vector<int64_t>& indices) const {
  const data::ImageShape s = set.shape();
  Batch batch{Tensor::empty({std::ssize(indices), s.height, s.width, s.channels}, DType::f32), {}};
  const std::span<float> pixels = batch.images.span<float>();
  for (size_t i = 0; i < indices.size(); ++i) {
    set.read(indices[i], pixels.subspan(i * s.numel(), s.numel()));
    batch.classes.push_back(set.label(indices[i]));
  }
  if (set.has_bytes()) data::to_network_range(data::pixel_map(config().data), pixels);
  batch.images = batch.images.to(job_.device);
  return batch;
}

TrainSummary RunLoop::run() {
  start();
  std::optional<TrainEnd> end;
  while (!end) {
    try {
      end = train();
    } catch (const sde::NonfiniteError& e) {
      if (config().train.on_nonfinite != "rollback") throw;
      roll_back(e);
    }
  }
  TrainSummary s = summary();
  if (shows_results() && *end != TrainEnd::interrupted) {
    show_results();
    if (!interrupted()) show_end();
    if (interrupted()) end = TrainEnd::interrupted;
  }
  if (!kernel_choices().empty()) directory_->write_algorithms(algorithms_json());
  progress_.line(peak_memory_text(job_.device));
  s.end = *end;
  return s;
}

TrainSummary RunLoop::summary() {
  const int64_t done = trainer().steps_done(), batch = config().train.batch;
  TrainSummary s{.checkpoint = checkpoint_,
                 .steps = done,
                 .images = done * batch,
                 .skipped = trainer().progress().skipped,
                 .rollbacks = trainer().progress().rollbacks,
                 .session_steps = steps_taken_,
                 .seconds = seconds_trained(),
                 .loss = loss_,
                 .eval_loss = eval_loss_};
  if (steps_taken_ > 0) s.images_per_second = static_cast<double>(steps_taken_ * batch) / s.seconds;
  return s;
}

/// Takes steps until the end, and saves.
TrainEnd RunLoop::train() {
  TrainEnd end = TrainEnd::finished;
  while (end == TrainEnd::finished && trainer().steps_done() < config().train.max_steps) {
    end = interrupted() ? TrainEnd::interrupted : take_step();
  }
  save();
  return end;
}

TrainEnd RunLoop::take_step() {
  const sde::TrainConfig& c = config().train;
  const int64_t step = trainer().steps_done();
  const sde::StepReport report = train_step();
  report_step(step, report);
  const int64_t done = step + 1;
  evaluate(done);
  if (schedule_->due(done) && done < c.max_steps) show_results();
  if (interrupted()) return TrainEnd::interrupted;
  if (job_.max_minutes > 0 && seconds_trained() > 60 * job_.max_minutes)
    return TrainEnd::time_is_up;
  if (done % c.save_every == 0 && done < c.max_steps) save();
  return TrainEnd::finished;
}

/// Reads the checkpoint that a run of another folder left, if this one is to begin with it.
std::optional<fs::path> RunLoop::load_origin() {
  if (job_.resume != Resume::from_path) return std::nullopt;
  const fs::path origin = sde::find_checkpoint(job_.resume_from);
  expect_same_network(origin, config());
  sde::load_checkpoint(origin, trainer());
  return origin;
}

void RunLoop::start() {
  const std::optional<fs::path> origin = load_origin();  // before anything is written
  directory_.emplace(job_.out);
  const auto own = sde::newest_checkpoint(job_.out);
  if (own && job_.resume == Resume::never) {
    fail(ErrorCode::output_exists, job_.out.string(), "holds a run already",
         "give another --out, or --resume auto to go on with it");
  }
  if (own && origin && !directory_->began_with(job_.resume_from)) {
    fail(ErrorCode::output_exists, job_.out.string(),
         "holds a run already, which did not begin with " + job_.resume_from.string(),
         "give another --out, or --resume auto to go on with it");
  }
  if (own) {
    sde::load_checkpoint(*own, trainer());
    sde::finish_saving(*own, config().train.keep);  // a crash may have come between
    checkpoint_ = *own;
    saved_step_ = trainer().steps_done();
  } else if (origin) {
    directory_->write_origin(job_.resume_from);
  }
  directory_->write_config(to_toml(job_.config));
  open_held_out();
  rewind_metrics();
  const int64_t done = trainer().steps_done();
  progress_.line((own || origin ? "resuming " : "training ") + job_.out.string() + " at step " +
                 std::to_string(done) + ": " +
                 std::to_string(nn::count_parameters(trainer().network(), nn::Training::trained)) +
                 " parameters, " + std::to_string(dataset_->size()) + " samples of " +
                 dataset_->name());
  if (config().train.precision == "tf32") {
    progress_.line("train.precision = tf32: computed as fp32, for no kernel rounds to TF32");
  }
  // It measures for up to 0.3 s, for which nobody should wait before the first line.
  directory_->append_environment(environment_json(job_.device, job_.config, done));
  open_loader();
  schedule_.emplace(config().train.sample_every, config().train.early_grids
                                                     ? early_cost()
                                                     : std::numeric_limits<double>::infinity());
  const bool to_do = schedule_->due(done) && done < config().train.max_steps;
  if (to_do && (done == 0 || !results_shown())) show_results();
  if (config().train.on_nonfinite == "rollback" && !own) save();
  began_ = Clock::now();
}

/// Metrics and events as they were after the trainer's last step.
void RunLoop::rewind_metrics() {
  const int64_t done = trainer().steps_done();
  const sde::LossWindow& window = trainer().loss_window();
  // Steps since the last regular line are in the loss window: the line that the end of a run
  // wrote for them gives way to the one that an unbroken run writes.
  const bool goes_on = done < config().train.max_steps;
  directory_->rewind_metrics(goes_on ? done - window.count - window.skipped : done, done);
  events_.emplace(job_.out / "events", done);
}

/// Goes back to the newest checkpoint, and on with other draws.
void RunLoop::roll_back(const sde::NonfiniteError& error) {
  const int64_t rollbacks = trainer().progress().rollbacks + 1;
  const auto checkpoint = sde::newest_checkpoint(job_.out);
  if (!checkpoint || rollbacks_since_save_ == kMostRollbacks) throw error;
  ++rollbacks_since_save_;
  sde::load_checkpoint(*checkpoint, trainer());
  sde::TrainingProgress progress = trainer().progress();
  progress.rollbacks = rollbacks;
  trainer().set_progress(progress);
  checkpoint_ = *checkpoint;
  saved_step_ = progress.steps;
  rewind_metrics();
  open_loader();
  progress_.line(error.fact() + ": back to step " + std::to_string(progress.steps) +
                 ", and on with other draws");
  directory_->append_metrics(nonfinite_line(progress.steps, error.tensor()) +
                             text_of(", \"failed_step\": %" PRId64 ", \"rollbacks\": %" PRId64 "}",
                                     error.step(), rollbacks));
}

void RunLoop::report_step(int64_t step, const sde::StepReport& report) {
  if (!report.nonfinite.empty()) report_skipped(step, report);
  const sde::LossWindow& window = trainer().loss_window();
  const int64_t done = step + 1, last = config().train.max_steps, batch = config().train.batch;
  const double seconds = seconds_trained();
  const double rate = static_cast<double>(++steps_taken_) / seconds;
  const double images_per_second = rate * static_cast<double>(batch);
  const double wait = (seconds_waited_ + loader_->seconds_waited()) / seconds;
  std::vector<std::pair<std::string, double>> scalars;
  if (window.count > 0) loss_ = window.mean();
  if (window.count > 0) scalars.emplace_back("loss", window.mean());
  for (const auto& [name, value] : figures()) scalars.emplace_back(name, value);
  std::string shown;
  for (const auto& [name, value] : scalars) shown += text_of("  %s %.5g", name.c_str(), value);
  progress_.show(text_of("step %" PRId64 "/%" PRId64 "%s  %.0f img/s  wait %.1f %%  ETA %s", done,
                         last, shown.c_str(), images_per_second, 100 * wait,
                         duration_text(static_cast<double>(last - done) / rate).c_str()));
  const bool regular = done % config().train.log_every == 0;
  if (!regular && done != last) return;
  if (report.nonfinite.empty()) scalars.emplace_back("grad_norm", report.grad_norm);
  scalars.emplace_back("lr", report.lr);
  std::string line = text_of("{\"step\": %" PRId64, step);
  for (const auto& [name, value] : scalars) line += member(name.c_str(), value);
  directory_->append_metrics(line + text_of(", \"images\": %" PRId64 "}", done * batch));
  scalars.emplace_back("images_per_second", images_per_second);
  events_->scalars(step, scalars);
  directory_->append_timing(text_of("{\"step\": %" PRId64 ", \"seconds\": %.3f, "
                                    "\"images_per_second\": %.2f, \"wait\": %.5f}",
                                    step, seconds, images_per_second, wait));
  if (regular) trainer().loss_window() = {};
}

void RunLoop::report_skipped(int64_t step, const sde::StepReport& report) {
  const int64_t skipped = trainer().progress().skipped;
  progress_.line(report.nonfinite + " is not finite at step " + std::to_string(step) +
                 ": no update (" + std::to_string(skipped) + " such steps until now)");
  directory_->append_metrics(nonfinite_line(step, report.nonfinite) +
                             text_of(", \"skipped\": %" PRId64 "}", skipped));
}

void RunLoop::open_held_out() {
  const sde::TrainConfig& train = config().train;
  held_out_loss_ = held_out_loss();
  if (!held_out_loss_ || train.eval_every == 0 || train.eval_images == 0) return;
  try {
    held_out_ = data::open_dataset(config().data, data::Split::test);
  } catch (const UserError& e) {
    progress_.line("no held-out images, so no held-out loss: " + std::string(e.what()));
  }
}

/// The loss on the first images of the held-out split, always with the same noise.
void RunLoop::evaluate(int64_t done) {
  const sde::TrainConfig& train = config().train;
  if (!held_out_ || done % train.eval_every != 0) return;
  const int64_t count = std::min<int64_t>(train.eval_images, held_out_->size());
  double total = 0;
  for (int64_t first = 0; first < count; first += train.batch) {
    std::vector<int64_t> indices(
        static_cast<size_t>(std::min<int64_t>(train.batch, count - first)));
    std::iota(indices.begin(), indices.end(), first);
    total += held_out_loss_(batch_of(*held_out_, indices), first / train.batch) *
             static_cast<double>(indices.size());
  }
  const double mean = total / static_cast<double>(count);
  if (!std::isfinite(mean)) {  // JSON has no such number
    progress_.line("the held-out loss is not finite at step " + std::to_string(done - 1));
    return;
  }
  eval_loss_ = mean;
  directory_->append_metrics(
      text_of("{\"step\": %" PRId64 ", \"eval_loss\": %.17g}", done - 1, mean));
  events_->scalars(done - 1, {{"eval_loss", mean}});
}

void RunLoop::save() {
  if (saved_step_ == trainer().steps_done()) return;
  checkpoint_ =
      sde::save_checkpoint(job_.out, trainer(), job_.config.settings(), config().train.keep);
  saved_step_ = trainer().steps_done();
  rollbacks_since_save_ = 0;
}

}  // namespace ito::tools
