#include "tools/run/train_run.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <numeric>
#include <optional>

#include "models/make.h"
#include "sde/training/checkpoint.h"
#include "tools/data/batch_source.h"
#include "tools/data/png.h"
#include "tools/run/interrupt.h"
#include "tools/run/pictures.h"
#include "tools/run/progress.h"
#include "tools/run/run_directory.h"

namespace ito::tools {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string step_name(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step_%08" PRId64 ".png", step);
  return name;
}

class TrainRun {
 public:
  TrainRun(TrainJob job)
      : job_(std::move(job)),
        dataset_(data::open_dataset(job_.config.data, data::Split::train)),
        sde_((resolve(), sde::make_sde(job_.config.sde))),
        trainer_(network(), sde_, job_.config.objective, job_.config.optim, job_.config.train,
                 job_.config.sde.num_scales),
        batches_(dataset_, job_.config.train.batch, seed(),
                 {.random_flip = job_.config.data.random_flip,
                  .uniform_dequantization = job_.config.data.uniform_dequantization,
                  .centered = job_.config.data.centered}),
        directory_(job_.out) {}

  TrainEnd run() {
    start();
    const int64_t last = job_.config.train.max_steps;
    const Clock::time_point began = Clock::now();
    const int64_t first = trainer_.steps_done();
    TrainEnd end = TrainEnd::finished;
    while (trainer_.steps_done() < last) {
      const int64_t step = trainer_.steps_done();
      const sde::StepReport report = trainer_.step(images_of(step));
      report_step(step, report, seconds_since(began), first);
      const int64_t done = trainer_.steps_done();
      if (done % job_.config.train.sample_every == 0 && done < last) write_samples();
      if (interrupted()) end = TrainEnd::interrupted;
      if (job_.max_minutes > 0 && seconds_since(began) > 60 * job_.max_minutes)
        end = TrainEnd::time_is_up;
      if (end != TrainEnd::finished) break;
      if (done % job_.config.train.save_every == 0 && done < last) save();
    }
    save();
    if (end != TrainEnd::interrupted) write_samples();
    return end;
  }

 private:
  uint64_t seed() const { return static_cast<uint64_t>(job_.config.train.seed); }

  std::unique_ptr<nn::Network> network() const {
    auto made = nn::make_network(job_.config.model, job_.config.image(), seed());
    nn::move_to(*made, job_.device);
    return made;
  }

  /// Fills what the configuration leaves to the data set, then checks everything.
  void resolve() {
    data::DataConfig& d = job_.config.data;
    d.image_size = dataset_->shape().height;
    d.channels = dataset_->shape().channels;
    job_.config.validate();
  }

  void start() {
    const auto checkpoint = sde::newest_checkpoint(job_.out);
    if (checkpoint && job_.resume == Resume::never) {
      fail(ErrorCode::output_exists, job_.out.string(), "holds a run already",
           "give another --out, or --resume auto to go on with it");
    }
    if (checkpoint) {
      sde::load_checkpoint(*checkpoint, trainer_);
      saved_step_ = trainer_.steps_done();
    }
    directory_.write_config(to_toml(job_.config));
    const int64_t done = trainer_.steps_done();
    // Steps since the last regular line are in the loss window: the line that the end of a run
    // wrote for them gives way to the one that an unbroken run writes.
    const bool goes_on = done < job_.config.train.max_steps;
    directory_.rewind_metrics(goes_on ? done - trainer_.loss_window().count : done);
    progress_.line((checkpoint ? "resuming " : "training ") + job_.out.string() + " at step " +
                   std::to_string(done) + ": " +
                   std::to_string(nn::count_parameters(trainer_.network(), nn::Training::trained)) +
                   " parameters, " + std::to_string(dataset_->size()) + " samples of " +
                   dataset_->name());
    if (done == 0) write_samples();
  }

  Tensor images_of(int64_t step) const {
    const data::ImageShape s = dataset_->shape();
    Tensor images = Tensor::empty({batches_.batch(), s.height, s.width, s.channels}, DType::f32);
    batches_.batch_at(step, images.span<float>(), {}, {});
    return images.to(job_.device);
  }

  void report_step(int64_t step, const sde::StepReport& report, double seconds, int64_t first) {
    const double loss = trainer_.loss_window().mean();
    const int64_t done = step + 1, last = job_.config.train.max_steps;
    const double rate = static_cast<double>(done - first) / seconds;
    char text[160];
    std::snprintf(text, sizeof text, "step %" PRId64 "/%" PRId64 "  loss %.5g  %.0f img/s  ETA %s",
                  done, last, loss, rate * job_.config.train.batch,
                  duration_text(static_cast<double>(last - done) / rate).c_str());
    progress_.show(text);
    const bool regular = done % job_.config.train.log_every == 0;
    if (!regular && done != last) return;
    // %.17g: the value itself, so that equal runs write equal lines.
    char line[200];
    std::snprintf(line, sizeof line,
                  "{\"step\": %" PRId64
                  ", \"loss\": %.17g, \"grad_norm\": %.17g, \"lr\": %.17g, \"images\": %" PRId64
                  "}",
                  step, loss, report.grad_norm, report.lr, done * job_.config.train.batch);
    directory_.append_metrics(line);
    std::snprintf(line, sizeof line,
                  "{\"step\": %" PRId64 ", \"seconds\": %.3f, \"images_per_second\": %.2f}", step,
                  seconds, rate * job_.config.train.batch);
    directory_.append_timing(line);
    if (regular) trainer_.loss_window() = {};
  }

  void save() {
    if (saved_step_ == trainer_.steps_done()) return;
    sde::save_checkpoint(job_.out, trainer_, job_.config.settings(), job_.config.train.keep);
    saved_step_ = trainer_.steps_done();
  }

  /// Sixteen samples of the averaged weights; always the same seeds.
  void write_samples() {
    std::vector<int64_t> seeds(dataset_->kind() == data::Kind::points ? 2000 : 16);
    std::iota(seeds.begin(), seeds.end(), 0);
    const nn::Network& network = trainer_.ema_network();
    const sde::NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
      return network.forward(x, labels);
    };
    const auto labels =
        job_.config.objective.continuous ? sde::Labels::continuous : sde::Labels::discrete;
    const SampleJob job{
        .score = sde::make_score(forward, sde_, {labels, job_.config.sde.num_scales}),
        .sde = sde_,
        .sample_shape = {dataset_->shape().height, dataset_->shape().width,
                         dataset_->shape().channels},
        .sampling = job_.config.sampling,
        .seed = seed(),
        .batch = static_cast<int64_t>(seeds.size()),
        .device = job_.device};
    data::write_png(directory_.samples() / step_name(trainer_.steps_done()),
                    picture_of(draw_samples(job, seeds), sde_->centered_data()));
  }

  TrainJob job_;
  std::shared_ptr<const data::Dataset> dataset_;
  std::shared_ptr<const sde::Sde> sde_;
  sde::Trainer trainer_;
  data::BatchSource batches_;
  RunDirectory directory_;
  Progress progress_;
  int64_t saved_step_ = -1;
};

}  // namespace

TrainEnd run_training(const TrainJob& job) { return TrainRun(job).run(); }

}  // namespace ito::tools
