#include "sde/training/score_model.h"

#include "sde/training/score_network.h"
#include "sde/training/trained_network.h"

namespace ito::sde {

ScoreFn ScoreModel::score() const {
  return make_score(score_network(told_network(network), objective), sde, labelling);
}

ScoreFn ScoreModel::score(std::span<const int64_t> of, double weight) const {
  std::vector<int64_t> told(of.begin(), of.end());
  for (const int64_t y : told) {
    ITO_CHECK(y >= 0 && y < classes(), ValueError, "the network has no such class", kv("class", y),
              kv("classes", classes()));
  }
  if (weight != 0) told.resize(2 * told.size(), classes());
  const ScoreFn score =
      make_score(score_network(told_network(network, told, device), objective), sde, labelling);
  return weight == 0 ? score : classifier_free_of_both(score, weight);
}

ScoreModel load_score_model(const std::filesystem::path& path, Device device) {
  const TrainedNetwork trained = load_trained_network(path, device);
  if (trained.objective.classifies()) {
    fail(ErrorCode::bad_combination, trained.file.string(),
         "is a classifier of " + std::to_string(trained.config.model.num_classes) +
             " classes and has no score",
         "name a score model; a classifier guides one");
  }
  const nn::ImageConfig& image = trained.config.image;
  const Labels labels = trained.objective.continuous ? Labels::continuous : Labels::discrete;
  return {.network = trained.network,
          .sde = make_sde(trained.sde),
          .labelling = {labels, trained.sde.num_scales},
          .objective = trained.objective,
          .sample_shape = Shape{image.image_size, image.image_size, image.channels},
          .settings = trained.settings,
          .file = trained.file,
          .device = device};
}

}  // namespace ito::sde
