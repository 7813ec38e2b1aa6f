// Samples against a data set, by every metric that is asked for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/metrics/network_features.h"
#include "tools/metrics/reference_file.h"

namespace ito::metrics {

/// Names that EvaluationRequest::metrics takes, in the order in which they are computed:
/// swd, energy, mmd, memorization, frechet, fid, is, kid.
std::span<const std::string_view> metric_names();

/// Whether FID, KID and the Inception score are computed of fewer than 2048 images, where their
/// bias is larger than what models differ by, or a covariance of no more images than it has rows.
enum class FewImages : uint8_t { refuse, allow };

struct EvaluationRequest {
  std::vector<std::string> metrics;
  std::optional<ImageSet> reference;               ///< training images
  std::optional<ImageSet> held_out;                ///< for the memorisation check
  std::optional<sde::Classifier> classifier;       ///< for frechet
  std::shared_ptr<const nn::Inception> inception;  ///< for fid, is and kid
  std::optional<Reference> statistics;             ///< instead of `reference`, for fid and kid
  Resize resize = Resize::tf1;
  FewImages few_images = FewImages::refuse;
  int64_t directions = 512;  ///< of swd
  int64_t pairs = 2000;      ///< most images of each set for energy and mmd
  uint64_t seed = 0;         ///< of directions and of KID's blocks
  FeatureOptions features;
};

using Results = std::vector<std::pair<std::string, double>>;

class Evaluator {
 public:
  /// Throws UserError: unknown_key for a metric that there is none of, bad_combination for one
  /// whose images, network or statistics are not given.
  explicit Evaluator(EvaluationRequest request);

  /// Throws UserError(bad_combination) if `count` samples of this shape are too few or do not fit
  /// the reference. Known before any sample is drawn.
  void check(int64_t count, const data::ImageShape& shape) const;
  /// Each metric with its companions, in the order of metric_names(). Throws as above, and
  /// UserError(not_finite) naming a metric that is no number.
  Results evaluate(const ImageSet& samples);

  /// Statistics of the reference images: in Inception features if that network is given, else in
  /// those of the classifier. Throws UserError(bad_combination) without images or network.
  Reference reference_statistics();

 private:
  bool wants(std::string_view metric) const;
  bool wants_inception() const { return wants("fid") || wants("is") || wants("kid"); }
  void on_pixels(const ImageSet& samples, Results& results) const;
  void in_classifier_features(const ImageSet& samples, Results& results);
  void in_inception_features(const ImageSet& samples, Results& results);
  NetworkFeatures classifier_features_of(const ImageSet& images) const;
  NetworkFeatures inception_features_of(const ImageSet& images) const;
  const Reference& classifier_reference();
  const Reference& inception_reference();

  EvaluationRequest request_;
  std::optional<Reference> classifier_reference_, inception_reference_;
};

}  // namespace ito::metrics
