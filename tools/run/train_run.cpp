#include "tools/run/train_run.h"

#include <cinttypes>
#include <numeric>
#include <optional>

#include "engine/core/check.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"
#include "tools/data/pixel_map.h"
#include "tools/data/png.h"
#include "tools/run/animation.h"
#include "tools/run/classifier_run.h"
#include "tools/run/grid_schedule.h"
#include "tools/run/interrupt.h"
#include "tools/run/pictures.h"
#include "tools/run/run_loop.h"

namespace ito::tools {
namespace {

namespace fs = std::filesystem;

/// "step_00000100.png".
std::string picture_name(const char* kind, int64_t step) {
  return text_of("%s_%08" PRId64 ".png", kind, step);
}

constexpr int kColumns = 9;          // of a trajectory
constexpr double kColdShare = 0.05;  // of the starting weights in an average that is not warm

/// Trains a score model and shows samples of it.
class ScoreRun final : public RunLoop {
 public:
  explicit ScoreRun(TrainJob job)
      : RunLoop(std::move(job)),
        trainer_(make_network(), sde(), config().objective, config().optim, config().train,
                 config().sde.num_scales) {}

 private:
  sde::NetworkTrainer& trainer() override { return trainer_; }

  sde::StepReport train_step() override {
    const Batch batch = next_batch();
    return trainer_.network().classes() > 0 ? trainer_.step(batch.images, batch.classes)
                                            : trainer_.step(batch.images);
  }

  HeldOutLoss held_out_loss() override {
    return [this](const Batch& batch, int64_t part) {
      return trainer_.network().classes() > 0 ? trainer_.evaluate(batch.images, batch.classes, part)
                                              : trainer_.evaluate(batch.images, part);
    };
  }

  /// Sixteen samples, or a cloud of points; always the same.
  std::vector<int64_t> seeds() const {
    std::vector<int64_t> list(dataset().kind() == data::Kind::points ? 2000 : 16);
    std::iota(list.begin(), list.end(), 0);
    return list;
  }

  fs::path picture_file() const {
    return directory().samples() / picture_name("step", trainer_.steps_done());
  }
  bool results_shown() const override { return fs::exists(picture_file()); }

  double early_cost() const override {
    const int networks = config().optim.ema_warmup ? 1 : 2;  // at most: see show_results
    return networks * grid_cost(config().sampling, std::ssize(seeds()), config().train.batch);
  }

  /// Samples of the classes in turn.
  SampleJob job_of(const nn::Network& trained, const std::vector<int64_t>& samples) const {
    const std::shared_ptr<const nn::Network> network = trained.clone();
    std::vector<int64_t> classes(static_cast<size_t>(network->classes()));
    std::iota(classes.begin(), classes.end(), 0);
    if (!classes.empty()) classes = in_turn(classes, samples);
    const auto labels =
        config().objective.continuous ? sde::Labels::continuous : sde::Labels::discrete;
    const data::ImageShape s = dataset().shape();
    return {
        .score = sde::make_score(
            sde::score_network(sde::told_network(network, classes, device()), config().objective),
            sde(), {labels, config().sde.num_scales}),
        .sde = sde(),
        .sample_shape = {s.height, s.width, s.channels},
        .sampling = config().sampling,
        .seed = seed(),
        .device = device(),
        .pixels = data::pixel_map(config().data)};
  }

  static samplers::Verdict stop_if_interrupted(const samplers::StepView&) {
    return interrupted() ? samplers::Verdict::stop : samplers::Verdict::go_on;
  }

  /// What `draw` makes; nothing if it was interrupted, or samples are not finite.
  template <class Draw>
  static std::optional<data::Image> finite(Draw&& draw) {
    try {
      return draw();
    } catch (const UserError& e) {
      if (e.code() != ErrorCode::not_finite) throw;
      return std::nullopt;  // whether the training itself is in order is for the trainer to say
    }
  }

  std::optional<data::Image> picture_of_samples(const nn::Network& trained) const {
    return finite([&]() -> std::optional<data::Image> {
      const SampleJob job = job_of(trained, seeds());
      const Drawn drawn = draw_batch(job, seeds(), stop_if_interrupted);
      if (!drawn.finished) return std::nullopt;
      return picture_of(drawn.x, job.pixels);
    });
  }

  /// Samples of the averaged weights; while these still hold a good part of the starting weights,
  /// samples of the weights themselves to the left.
  void show_results() override {
    const int64_t updates = trainer_.progress().updates();
    std::optional<data::Image> picture = picture_of_samples(trainer_.ema_network());
    if (picture && updates > 0 && config().optim.starting_share(updates) > kColdShare) {
      const std::optional<data::Image> raw = picture_of_samples(trainer_.network());
      picture = raw ? std::optional(side_by_side(*raw, *picture)) : std::nullopt;
    }
    const int64_t step = trainer_.steps_done();
    if (!picture) {
      if (!interrupted()) {
        progress().line("no picture of step " + std::to_string(step) + ": samples not finite");
      }
      return;
    }
    data::write_png(picture_file(), *picture);
    events().picture(step, "samples", *picture);
  }

  /// The way of the first samples of the averaged weights, where it is cheap.
  void show_end() override {
    const int64_t step = trainer_.steps_done(), count = config().train.trajectory;
    const fs::path file = directory().samples() / picture_name("trajectory", step);
    const double cost = grid_cost(config().sampling, count, config().train.batch);
    const bool due = count > 0 && dataset().kind() != data::Kind::points &&
                     cost <= kPictureShare * static_cast<double>(step);
    if (!due || fs::exists(file)) return;
    const auto sheet = finite([&] {
      std::vector<int64_t> samples(static_cast<size_t>(count));
      std::iota(samples.begin(), samples.end(), 0);
      return trajectory_sheet(job_of(trainer_.ema_network(), samples), samples, kColumns,
                              stop_if_interrupted);
    });
    if (!sheet) return;
    data::write_png(file, *sheet);
    events().picture(step, "trajectory", *sheet);
  }

  sde::Trainer trainer_;
};

}  // namespace

TrainSummary run_training(const TrainJob& job) {
  return job.config.objective.classifies() ? run_classifier_training(job) : ScoreRun(job).run();
}

}  // namespace ito::tools
