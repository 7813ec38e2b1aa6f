// Samples of given classes: with the help of a time-dependent classifier (Song et al. 2021, section
// 5 and appendix I.1), or of a network that was told classes in training.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sde/score.h"
#include "sde/training/score_model.h"
#include "sde/training/trained_network.h"

namespace ito::tools {

class ClassGuidance {
 public:
  /// The sample with global index i gets class classes[i mod size]. Throws UserError
  /// (bad_combination) for a classifier of images of another shape or of another SDE than the
  /// model's, bad_value for a class that it does not know.
  ClassGuidance(sde::Classifier classifier, const sde::SdeConfig& model_sde,
                const Shape& sample_shape, std::vector<int64_t> classes, double weight);

  /// s(x, t) + weight grad_x log p_t(y | x) for a batch of these samples.
  sde::ScoreFn guided(const sde::ScoreFn& score, const std::vector<int64_t>& samples,
                      Device device) const;
  /// How many of finished samples x [N, H, W, C] the classifier takes for their class, at the least
  /// noise it was trained on.
  int64_t agreements(const Tensor& x, const std::vector<int64_t>& samples) const;
  const std::filesystem::path& file() const { return classifier_.file; }

 private:
  sde::Classifier classifier_;
  std::vector<int64_t> classes_;
  double weight_;
};

/// What a user wants to see.
struct ClassRequest {
  std::string classifier;        ///< its run or file; empty: the model itself knows the classes
  std::vector<int64_t> classes;  ///< sample i gets the (i mod size)-th; empty: any
  std::optional<double> guidance = {};  ///< weight; null: 1 with a classifier, else 0
};

/// How it is met.
struct ClassConditions {
  /// The score of a batch of samples, by their global indices; null where no class is asked for.
  std::function<sde::ScoreFn(const std::vector<int64_t>& samples)> score_of = {};
  std::shared_ptr<const ClassGuidance> guidance = {};  ///< by a classifier, or null

  sde::ScoreFn score(const sde::ScoreModel& model, const std::vector<int64_t>& samples) const {
    return score_of ? score_of(samples) : model.score();
  }
};

/// Throws UserError: bad_usage where neither a classifier nor the model knows classes, bad_value
/// for a class that they do not know, and what ClassGuidance throws.
ClassConditions class_conditions(const ClassRequest& request, const sde::ScoreModel& model,
                                 Device device);
/// Throws UserError(bad_usage or bad_value) naming --class unless the model knows all of `classes`.
void check_classes(const std::vector<int64_t>& classes, const sde::ScoreModel& model);

}  // namespace ito::tools
