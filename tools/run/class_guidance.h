// Samples of given classes, with the help of a time-dependent classifier (Song et al. 2021, section
// 5 and appendix I.1).
#pragma once

#include <memory>
#include <vector>

#include "sde/score.h"
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

 private:
  sde::Classifier classifier_;
  std::vector<int64_t> classes_;
  double weight_;
};

}  // namespace ito::tools
