#include "tools/run/classifier_run.h"

#include <algorithm>

#include "sde/training/classifier_trainer.h"
#include "tools/run/run_loop.h"

namespace ito::tools {
namespace {

constexpr int64_t kReportImages = 1024;  // held-out images that a report looks at, at most
constexpr int kReportLevels = 11;        // noise levels of a report, equally spaced in time

/// Accuracy at one noise level.
struct AccuracyAt {
  double t, sigma, accuracy;
  int64_t images;
};

class ClassifierRun final : public RunLoop {
 public:
  explicit ClassifierRun(TrainJob job)
      : RunLoop(std::move(job)),
        held_out_(data::open_dataset(config().data, data::Split::test)),
        trainer_(make_network(), sde(), config().optim, config().train,
                 config().model.num_classes) {}

 private:
  sde::NetworkTrainer& trainer() override { return trainer_; }

  sde::StepReport train_step() override {
    const Batch batch = next_batch();
    return trainer_.step(batch.images, batch.classes);
  }

  std::vector<std::pair<const char*, double>> figures() const override {
    const sde::LossWindow& w = trainer_.loss_window();
    const auto images = static_cast<double>(w.count * config().train.batch);
    return {{"accuracy", static_cast<double>(w.correct) / std::max(1.0, images)}};
  }

  /// Images spread evenly over the held-out set, whose order may be that of the classes.
  Batch held_out_batch(int64_t first, int64_t size, int64_t count) const {
    std::vector<int64_t> indices;
    for (int64_t i = first; i < first + size; ++i) {
      indices.push_back(i * held_out_->size() / count);
    }
    return batch_of(*held_out_, indices);
  }

  std::vector<AccuracyAt> accuracies() const {
    const int64_t count = std::min(kReportImages, held_out_->size());
    const int64_t size = config().train.batch;
    std::vector<AccuracyAt> list;
    for (int i = 0; i < kReportLevels; ++i) {
      const double t =
          sde()->sampling_eps() + (sde()->T() - sde()->sampling_eps()) * i / (kReportLevels - 1.0);
      list.push_back({t, sde()->sigma(t), 0, count});
    }
    std::vector<int64_t> correct(list.size());
    for (int64_t first = 0; first < count; first += size) {
      const Batch batch = held_out_batch(first, std::min(size, count - first), count);
      for (size_t i = 0; i < list.size(); ++i) {
        correct[i] += trainer_.count_correct(batch.images, batch.classes, list[i].t, first);
      }
    }
    for (size_t i = 0; i < list.size(); ++i) {
      list[i].accuracy = static_cast<double>(correct[i]) / static_cast<double>(count);
    }
    return list;
  }

  void show_results() override {
    if (trainer_.steps_done() == 0) return;  // it guesses
    const std::vector<AccuracyAt> list = accuracies();
    progress().line(text_of("accuracy of the averaged weights at step %lld, %lld held-out images",
                            static_cast<long long>(trainer_.steps_done()),
                            static_cast<long long>(list.front().images)));
    std::string rows;
    for (const AccuracyAt& a : list) {
      progress().line(text_of("  sigma %-9.4g accuracy %.4f", a.sigma, a.accuracy));
      rows += text_of(
          "%s\n    {\"t\": %.17g, \"sigma\": %.17g, \"accuracy\": %.17g, \"images\": %lld}",
          rows.empty() ? "" : ",", a.t, a.sigma, a.accuracy, static_cast<long long>(a.images));
    }
    directory().write_accuracy(text_of("{\n  \"step\": %lld,\n  \"levels\": [",
                                       static_cast<long long>(trainer_.steps_done())) +
                               rows + "\n  ]\n}\n");
  }

  std::shared_ptr<const data::Dataset> held_out_;
  sde::ClassifierTrainer trainer_;
};

}  // namespace

TrainSummary run_classifier_training(const TrainJob& job) { return ClassifierRun(job).run(); }

}  // namespace ito::tools
