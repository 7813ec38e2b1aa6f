#include "tools/run/run_loop.h"

#include <chrono>
#include <cinttypes>
#include <numeric>

#include "models/make.h"
#include "sde/training/checkpoint.h"
#include "tools/run/environment.h"
#include "tools/run/interrupt.h"

namespace ito::tools {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

RunLoop::RunLoop(TrainJob job)
    : job_(std::move(job)),
      dataset_(data::open_dataset(job_.config.data, data::Split::train)),
      sde_((resolve(), sde::make_sde(job_.config.sde))),
      batches_(dataset_, job_.config.train.batch, seed(),
               {.random_flip = job_.config.data.random_flip,
                .uniform_dequantization = job_.config.data.uniform_dequantization,
                .centered = job_.config.data.centered}) {}

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

RunLoop::Batch RunLoop::batch_at(int64_t step) const {
  const data::ImageShape s = dataset_->shape();
  Tensor images = Tensor::empty({batches_.batch(), s.height, s.width, s.channels}, DType::f32);
  std::vector<int64_t> classes(static_cast<size_t>(batches_.batch()));
  batches_.batch_at(step, images.span<float>(), classes, {});
  return {images.to(job_.device), std::move(classes)};
}

RunLoop::Batch RunLoop::batch_of(const data::Dataset& set,
                                 const std::vector<int64_t>& indices) const {
  const data::ImageShape s = set.shape();
  Batch batch{Tensor::empty({std::ssize(indices), s.height, s.width, s.channels}, DType::f32), {}};
  const std::span<float> pixels = batch.images.span<float>();
  for (size_t i = 0; i < indices.size(); ++i) {
    set.read(indices[i], pixels.subspan(i * s.numel(), s.numel()));
    batch.classes.push_back(set.label(indices[i]));
  }
  if (config().data.centered && set.has_bytes()) {
    for (float& x : pixels) x = 2 * x - 1;
  }
  batch.images = batch.images.to(job_.device);
  return batch;
}

TrainEnd RunLoop::run() {
  start();
  const int64_t last = config().train.max_steps;
  const Clock::time_point began = Clock::now();
  const int64_t first = trainer().steps_done();
  TrainEnd end = TrainEnd::finished;
  while (trainer().steps_done() < last) {
    const int64_t step = trainer().steps_done();
    const sde::StepReport report = train_step();
    report_step(step, report, seconds_since(began), first);
    const int64_t done = trainer().steps_done();
    evaluate(done);
    if (shows_results() && done % config().train.sample_every == 0 && done < last) show_results();
    if (interrupted()) end = TrainEnd::interrupted;
    if (job_.max_minutes > 0 && seconds_since(began) > 60 * job_.max_minutes)
      end = TrainEnd::time_is_up;
    if (end != TrainEnd::finished) break;
    if (done % config().train.save_every == 0 && done < last) save();
  }
  save();
  if (shows_results() && end != TrainEnd::interrupted) show_results();
  progress_.line(peak_memory_text(job_.device));
  return end;
}

void RunLoop::start() {
  directory_.emplace(job_.out);
  const auto checkpoint = sde::newest_checkpoint(job_.out);
  if (checkpoint && job_.resume == Resume::never) {
    fail(ErrorCode::output_exists, job_.out.string(), "holds a run already",
         "give another --out, or --resume auto to go on with it");
  }
  if (checkpoint) {
    sde::load_checkpoint(*checkpoint, trainer());
    saved_step_ = trainer().steps_done();
  }
  directory_->write_config(to_toml(job_.config));
  directory_->append_environment(environment_json(job_.device, job_.config, trainer().steps_done()));
  open_held_out();
  const int64_t done = trainer().steps_done();
  // Steps since the last regular line are in the loss window: the line that the end of a run
  // wrote for them gives way to the one that an unbroken run writes.
  const bool goes_on = done < config().train.max_steps;
  directory_->rewind_metrics(goes_on ? done - trainer().loss_window().count : done, done);
  events_.emplace(job_.out / "events", done);
  progress_.line((checkpoint ? "resuming " : "training ") + job_.out.string() + " at step " +
                 std::to_string(done) + ": " +
                 std::to_string(nn::count_parameters(trainer().network(), nn::Training::trained)) +
                 " parameters, " + std::to_string(dataset_->size()) + " samples of " +
                 dataset_->name());
  if (done == 0 && shows_results()) show_results();
}

void RunLoop::report_step(int64_t step, const sde::StepReport& report, double seconds,
                          int64_t first) {
  const double loss = trainer().loss_window().mean();
  const int64_t done = step + 1, last = config().train.max_steps, batch = config().train.batch;
  const double rate = static_cast<double>(done - first) / seconds;
  const double images_per_second = rate * static_cast<double>(batch);
  // %.17g: the value itself, so that equal runs write equal lines.
  std::string shown, written;
  for (const auto& [name, value] : figures()) {
    shown += text_of("  %s %.4g", name, value);
    written += text_of(", \"%s\": %.17g", name, value);
  }
  progress_.show(text_of("step %" PRId64 "/%" PRId64 "  loss %.5g%s  %.0f img/s  ETA %s", done,
                         last, loss, shown.c_str(), images_per_second,
                         duration_text(static_cast<double>(last - done) / rate).c_str()));
  const bool regular = done % config().train.log_every == 0;
  if (!regular && done != last) return;
  directory_->append_metrics(
      text_of("{\"step\": %" PRId64 ", \"loss\": %.17g%s, \"grad_norm\": %.17g, \"lr\": %.17g, "
              "\"images\": %" PRId64 "}",
              step, loss, written.c_str(), report.grad_norm, report.lr, done * batch));
  std::vector<std::pair<std::string, double>> scalars{{"loss", loss},
                                                      {"grad_norm", report.grad_norm},
                                                      {"lr", report.lr},
                                                      {"images_per_second", images_per_second}};
  for (const auto& [name, value] : figures()) scalars.emplace_back(name, value);
  events_->scalars(step, scalars);
  directory_->append_timing(text_of("{\"step\": %" PRId64
                                    ", \"seconds\": %.3f, \"images_per_second\": %.2f}",
                                    step, seconds, images_per_second));
  if (regular) trainer().loss_window() = {};
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
  directory_->append_metrics(
      text_of("{\"step\": %" PRId64 ", \"eval_loss\": %.17g}", done - 1, mean));
  events_->scalars(done - 1, {{"eval_loss", mean}});
}

void RunLoop::save() {
  if (saved_step_ == trainer().steps_done()) return;
  sde::save_checkpoint(job_.out, trainer(), job_.config.settings(), config().train.keep);
  saved_step_ = trainer().steps_done();
}

}  // namespace ito::tools
