#include "tools/run/class_guidance.h"

#include <algorithm>

#include "engine/autograd/autograd.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/gather/op.h"
#include "models/classifier/log_likelihood.h"
#include "samplers/controllable/guidance.h"
#include "tools/config/config.h"
#include "tools/run/pictures.h"

namespace ito::tools {
namespace {

constexpr double kLeastTime = 1e-5;  // where the training of classifiers starts

bool same(const sde::SdeConfig& a, const sde::SdeConfig& b) {
  if (a.name != b.name) return false;
  return a.name == "ve" ? a.sigma_min == b.sigma_min && a.sigma_max == b.sigma_max
                        : a.beta_min == b.beta_min && a.beta_max == b.beta_max;
}

/// grad log p_t(y | x) as a score: at times on the host, and at rows of a table on the device.
samplers::Guidance guidance_of(std::shared_ptr<const nn::Network> network,
                               std::shared_ptr<const sde::Sde> sde, const Tensor& targets) {
  const auto sigmas = [sde](std::span<const double> t) {
    std::vector<double> list;
    for (const double time : t) list.push_back(sde->sigma(time));
    return list;
  };
  const auto at_times = [=](const Tensor& x, std::span<const double> t) {
    return nn::classifier_gradient(*network, x, sde::per_sample(sigmas(t), x), targets);
  };
  const auto tabulate = [=](std::span<const double> times,
                            const Tensor& like) -> sde::ScoreFn::AtRow {
    const std::vector<double> list = sigmas(times);
    const Tensor labels = Tensor::from(std::vector<float>(list.begin(), list.end()),
                                       {static_cast<int64_t>(list.size())}, like.device());
    return [=](const Tensor& x, const Tensor& row) {
      const Tensor label = ops::broadcast_to(ops::gather(labels, row), {x.size(0)});
      return nn::classifier_gradient(*network, x, label, targets);
    };
  };
  return {at_times, tabulate};
}

}  // namespace

ClassGuidance::ClassGuidance(sde::Classifier classifier, const sde::SdeConfig& model_sde,
                             const Shape& sample_shape, std::vector<int64_t> classes, double weight)
    : classifier_(std::move(classifier)), classes_(std::move(classes)), weight_(weight) {
  if (classifier_.sample_shape != sample_shape) {
    fail(ErrorCode::bad_combination, classifier_.file.string(),
         "classifies images " + to_string(classifier_.sample_shape) + ", the model draws " +
             to_string(sample_shape),
         "train a classifier on the model's data");
  }
  const sde::SdeConfig& own = classifier_.sde_config;
  if (!same(own, model_sde)) {
    fail(ErrorCode::bad_combination, classifier_.file.string(),
         "was trained on the noise of sde.name = \"" + own.name + "\", the model on \"" +
             model_sde.name + "\" or other noise levels",
         "train the classifier with the model's section [sde]");
  }
  for (const int64_t c : classes_) {
    if (c >= 0 && c < classifier_.classes) continue;
    fail(ErrorCode::bad_value, "--class", "names class " + std::to_string(c),
         "the classifier has classes 0 to " + std::to_string(classifier_.classes - 1));
  }
}

sde::ScoreFn ClassGuidance::guided(const sde::ScoreFn& score, const std::vector<int64_t>& samples,
                                   Device device) const {
  const Tensor targets =
      nn::one_hot(in_turn(classes_, samples), classifier_.classes, DType::f32, device);
  return samplers::guided(score, guidance_of(classifier_.network, classifier_.sde, targets),
                          weight_);
}

int64_t ClassGuidance::agreements(const Tensor& x, const std::vector<int64_t>& samples) const {
  const NoGradScope off;
  const std::vector<int64_t> wanted = in_turn(classes_, samples);
  const double sigma = classifier_.sde->sigma(kLeastTime);
  const Tensor logits =
      classifier_.network->forward(x, sde::per_sample(std::span(&sigma, 1), x)).to(kCpu);
  const std::vector<float> values = logits.to_vector<float>();
  int64_t count = 0;
  for (size_t n = 0; n < wanted.size(); ++n) {
    const auto row = values.begin() + static_cast<std::ptrdiff_t>(n) * classifier_.classes;
    count += std::max_element(row, row + classifier_.classes) - row == wanted[n];
  }
  return count;
}

void check_classes(const std::vector<int64_t>& classes, const sde::ScoreModel& model) {
  if (model.classes() == 0) {
    fail(ErrorCode::bad_usage, "--class", "is given, but this model knows no classes",
         "give a model trained with model.num_classes, or --classifier PATH where there is one");
  }
  for (const int64_t c : classes) {
    if (c < model.classes()) continue;
    fail(ErrorCode::bad_value, "--class", "names class " + std::to_string(c),
         "the model has classes 0 to " + std::to_string(model.classes() - 1));
  }
}

ClassConditions class_conditions(const ClassRequest& request, const sde::ScoreModel& model,
                                 Device device) {
  const std::vector<int64_t> classes = request.classes;
  if (classes.empty()) return {};
  if (request.classifier.empty()) {
    check_classes(classes, model);
    const double weight = request.guidance.value_or(0);
    return {[=](const std::vector<int64_t>& samples) {
      return model.score(in_turn(classes, samples), weight);
    }};
  }
  Config config;
  config.fields().apply_known(model.settings, model.file.string());
  const auto guidance =
      std::make_shared<ClassGuidance>(sde::load_classifier(request.classifier, device), config.sde,
                                      model.sample_shape, classes, request.guidance.value_or(1));
  const auto guided = [=](const std::vector<int64_t>& samples) {
    return guidance->guided(model.score(), samples, device);
  };
  return {guided, guidance};
}

}  // namespace ito::tools
