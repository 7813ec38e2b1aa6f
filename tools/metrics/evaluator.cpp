#include "tools/metrics/evaluator.h"

#include <algorithm>
#include <cmath>

#include "engine/core/nearest_name.h"
#include "models/classifier/wide_resnet.h"
#include "tools/metrics/inception_score.h"
#include "tools/metrics/kernel_distance.h"
#include "tools/metrics/memorization.h"
#include "tools/metrics/pair_distances.h"
#include "tools/metrics/sliced_wasserstein.h"

namespace ito::metrics {
namespace {

constexpr std::string_view kNames[] = {"swd",     "energy", "mmd", "memorization",
                                       "frechet", "fid",    "is",  "kid"};
// Inception metrics of fewer images say more of their number than of the model.
constexpr int64_t kLeastImages = 2048;

std::string text_of(const data::ImageShape& s) {
  return std::to_string(s.height) + " x " + std::to_string(s.width) + " x " +
         std::to_string(s.channels);
}

[[noreturn]] void lacks(const std::string& metric, const char* fact, const char* fix) {
  fail(ErrorCode::bad_combination, "--metrics " + metric, fact, fix);
}

Reference reference_of(const NetworkFeatures& features) {
  return {
      .pool = features.pool, .logits = features.logits, .statistics = statistics_of(features.pool)};
}

}  // namespace

std::span<const std::string_view> metric_names() { return kNames; }

Evaluator::Evaluator(EvaluationRequest request) : request_(std::move(request)) {
  for (const std::string& metric : request_.metrics) {
    if (std::ranges::find(kNames, metric) != std::end(kNames)) continue;
    fail(ErrorCode::unknown_key, "--metrics", "there is no metric \"" + metric + "\"",
         "use " + std::string(nearest_name(metric, kNames)) +
             " (the nearest), or another of swd, energy, mmd, memorization, frechet, fid, is, kid");
  }
  for (const std::string& metric : request_.metrics) {
    const bool of_inception = metric == "fid" || metric == "is" || metric == "kid";
    if (of_inception && !request_.inception) {
      lacks(metric, "needs the Inception network", "give --inception FILE.safetensors");
    }
    if (metric == "frechet" && !request_.classifier) {
      lacks(metric, "needs a classifier of ours", "give --classifier RUN");
    }
    if (metric == "memorization" && !request_.held_out) {
      lacks(metric, "needs held-out images",
            "give a data set with a test split, or a folder of 200 images or more, as --data");
    }
    const bool stored = request_.statistics && (metric == "fid" || metric == "kid");
    if (metric != "is" && !request_.reference && !stored) {
      lacks(metric, "needs images to compare with", "give --data");
    }
    if (metric == "kid" && request_.statistics && !request_.statistics->pool) {
      lacks(metric, "needs features, the statistics file has their mean and covariance alone",
            "give a file with pool_3, or --data");
    }
  }
}

bool Evaluator::wants(std::string_view metric) const {
  return std::ranges::find(request_.metrics, metric) != request_.metrics.end();
}

void Evaluator::check(int64_t count, const data::ImageShape& shape) const {
  const bool compared = wants("swd") || wants("energy") || wants("mmd") || wants("memorization");
  if (compared && request_.reference && !(request_.reference->shape == shape)) {
    fail(ErrorCode::bad_combination, request_.reference->name,
         "has images of " + text_of(request_.reference->shape) + ", the samples are " +
             text_of(shape),
         "set data.image_size and data.channels to the samples'");
  }
  if (count < 2) lacks(request_.metrics[0], "needs two samples or more", "use --samples 1000");
  if (request_.few_images == FewImages::allow) return;
  const auto enough = [&](const std::string& metric, int64_t least) {
    if (count >= least) return;
    fail(ErrorCode::bad_combination, "--metrics " + metric,
         "has " + std::to_string(count) + " samples, fewer than the " + std::to_string(least) +
             " below which its bias hides the model",
         "use --samples 50000, as published numbers do, or --allow-small");
  };
  if (wants_inception()) {
    const int64_t width = 2048 / request_.inception->config().divisor;
    enough("fid, is, kid", std::max(kLeastImages, width + 1));
  }
  if (wants("frechet")) {
    const auto* network = dynamic_cast<const nn::WideResNet*>(request_.classifier->network.get());
    enough("frechet", network == nullptr ? 2 : network->feature_count() + 1);
  }
}

Results Evaluator::evaluate(const ImageSet& samples) {
  check(samples.size(), samples.shape);
  Results results;
  on_pixels(samples, results);
  if (wants("frechet")) in_classifier_features(samples, results);
  if (wants_inception()) in_inception_features(samples, results);
  for (const auto& [name, value] : results) {
    if (std::isfinite(value)) continue;
    fail(ErrorCode::not_finite, name, "is not a number", "look at the samples: ito sample --grid");
  }
  return results;
}

void Evaluator::on_pixels(const ImageSet& samples, Results& results) const {
  if (wants("swd")) {
    const auto dim = static_cast<int64_t>(samples.shape.numel());
    const Tensor directions = random_directions(request_.directions, dim, request_.seed);
    results.emplace_back(
        "swd", sliced_wasserstein(samples.floats(), request_.reference->floats(), directions));
  }
  if (wants("energy") || wants("mmd")) {
    const Tensor x = samples.some(request_.pairs).floats();
    const Tensor y = request_.reference->some(request_.pairs).floats();
    if (wants("energy")) results.emplace_back("energy", energy_distance(x, y));
    if (wants("mmd")) {
      const double bandwidth = median_distance(y);
      results.emplace_back("mmd", gaussian_mmd(x, y, bandwidth));
      results.emplace_back("mmd_bandwidth", bandwidth);
    }
  }
  if (wants("memorization")) {
    const Device device = request_.features.device;
    const Tensor held_out =
        request_.held_out->some(std::max<int64_t>(samples.size(), 100)).floats();
    const Memorization m = memorization(
        samples.floats().to(device), request_.reference->floats().to(device), held_out.to(device));
    results.emplace_back("memorization_ratio", m.ratio());
    results.emplace_back("memorization_near_copies", m.near_copies);
    results.emplace_back("memorization_closest_distance", m.closest_distance);
    results.emplace_back("memorization_closest_sample", static_cast<double>(m.closest_sample));
    results.emplace_back("memorization_closest_image", static_cast<double>(m.closest_image));
  }
}

NetworkFeatures Evaluator::classifier_features_of(const ImageSet& images) const {
  return classifier_features(*request_.classifier, images, request_.features);
}

NetworkFeatures Evaluator::inception_features_of(const ImageSet& images) const {
  return inception_features(*request_.inception, images, request_.resize, request_.features);
}

const Reference& Evaluator::classifier_reference() {
  if (!classifier_reference_) {
    classifier_reference_ = reference_of(classifier_features_of(*request_.reference));
  }
  return *classifier_reference_;
}

const Reference& Evaluator::inception_reference() {
  if (request_.statistics) return *request_.statistics;
  if (!inception_reference_) {
    inception_reference_ = reference_of(inception_features_of(*request_.reference));
  }
  return *inception_reference_;
}

void Evaluator::in_classifier_features(const ImageSet& samples, Results& results) {
  const Reference& reference = classifier_reference();
  const NetworkFeatures features = classifier_features_of(samples);
  results.emplace_back("frechet",
                       frechet_distance(statistics_of(features.pool), reference.statistics));
}

void Evaluator::in_inception_features(const ImageSet& samples, Results& results) {
  const NetworkFeatures features = inception_features_of(samples);
  if (wants("fid") || wants("kid")) {
    const Reference& reference = inception_reference();
    if (reference.statistics.dim() != features.pool.size(1)) {
      fail(ErrorCode::bad_combination, "--statistics",
           "holds " + std::to_string(reference.statistics.dim()) +
               " features, the Inception network makes " + std::to_string(features.pool.size(1)),
           "make the file with this network: ito eval --stats-out");
    }
    if (wants("fid")) {
      results.emplace_back("fid",
                           frechet_distance(statistics_of(features.pool), reference.statistics));
    }
  }
  if (wants("is")) results.emplace_back("is", inception_score(features.logits));
  if (wants("kid")) {
    const KernelDistance k =
        kernel_distance(features.pool, inception_reference().pool, request_.seed);
    results.emplace_back("kid", k.mean);
    results.emplace_back("kid_standard_deviation", k.standard_deviation);
    results.emplace_back("kid_blocks", static_cast<double>(k.blocks));
  }
}

Reference Evaluator::reference_statistics() {
  if (!request_.reference || (!request_.inception && !request_.classifier)) {
    fail(ErrorCode::bad_combination, "--stats-out", "needs images and a network",
         "give --data, and --inception or --classifier");
  }
  if (!request_.inception) return classifier_reference();
  if (!inception_reference_) {
    inception_reference_ = reference_of(inception_features_of(*request_.reference));
  }
  return *inception_reference_;
}

}  // namespace ito::metrics
