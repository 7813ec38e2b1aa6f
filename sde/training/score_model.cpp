#include "sde/training/score_model.h"

#include "sde/training/score_network.h"
#include "sde/training/trained_network.h"

namespace ito::sde {

ScoreFn ScoreModel::score() const {
  NetworkFn forward = [network = network](const Tensor& x, const Tensor& labels) {
    return network->forward(x, labels);
  };
  return make_score(score_network(std::move(forward), objective), sde, labelling);
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
          .file = trained.file};
}

}  // namespace ito::sde
