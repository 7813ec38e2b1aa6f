#include "tools/run/train_run.h"

#include <cinttypes>
#include <cstdio>
#include <numeric>

#include "sde/training/score_network.h"
#include "sde/training/trainer.h"
#include "tools/data/png.h"
#include "tools/run/classifier_run.h"
#include "tools/run/pictures.h"
#include "tools/run/run_loop.h"

namespace ito::tools {
namespace {

std::string step_name(int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "step_%08" PRId64 ".png", step);
  return name;
}

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
    const Batch batch = batch_at(trainer_.steps_done());
    return trainer_.network().classes() > 0 ? trainer_.step(batch.images, batch.classes)
                                            : trainer_.step(batch.images);
  }

  HeldOutLoss held_out_loss() override {
    return [this](const Batch& batch, int64_t part) {
      return trainer_.network().classes() > 0 ? trainer_.evaluate(batch.images, batch.classes, part)
                                              : trainer_.evaluate(batch.images, part);
    };
  }

  /// Sixteen samples of the averaged weights, of the classes in turn; always the same seeds.
  void show_results() override {
    std::vector<int64_t> seeds(dataset().kind() == data::Kind::points ? 2000 : 16);
    std::iota(seeds.begin(), seeds.end(), 0);
    const std::shared_ptr<const nn::Network> network = trainer_.ema_network().clone();
    std::vector<int64_t> classes(static_cast<size_t>(network->classes()));
    std::iota(classes.begin(), classes.end(), 0);
    if (!classes.empty()) classes = in_turn(classes, seeds);
    const auto labels =
        config().objective.continuous ? sde::Labels::continuous : sde::Labels::discrete;
    const data::ImageShape s = dataset().shape();
    const SampleJob job{
        .score = sde::make_score(
            sde::score_network(sde::told_network(network, classes, device()), config().objective),
            sde(), {labels, config().sde.num_scales}),
        .sde = sde(),
        .sample_shape = {s.height, s.width, s.channels},
        .sampling = config().sampling,
        .seed = seed(),
        .batch = static_cast<int64_t>(seeds.size()),
        .device = device()};
    const data::Image picture = picture_of(draw(job, seeds).x, sde()->centered_data());
    data::write_png(directory().samples() / step_name(trainer_.steps_done()), picture);
    events().picture(trainer_.steps_done(), "samples", picture);
  }

  sde::Trainer trainer_;
};

}  // namespace

TrainEnd run_training(const TrainJob& job) {
  return job.config.objective.classifies() ? run_classifier_training(job) : ScoreRun(job).run();
}

}  // namespace ito::tools
