#include "sde/training/classifier_trainer.h"

#include <algorithm>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/perturb/op.h"
#include "models/classifier/log_likelihood.h"
#include "sde/score.h"

namespace ito::sde {
namespace {

struct NoisyImages {
  Tensor x, sigma;
};

/// Image n at time t[n].
NoisyImages at_times(const Sde& sde, const Tensor& images, std::span<const double> t,
                     const Tensor& samples, NoiseKey key) {
  std::vector<double> alpha, sigma;
  for (const double time : t) {
    alpha.push_back(sde.alpha(time));
    sigma.push_back(sde.sigma(time));
  }
  const Tensor std = per_sample(sigma, images);
  return {ops::perturb(images, per_sample(alpha, images), std, samples, key).x_t, std};
}

/// Rows of logits [N, K] whose largest element is at classes[n]; the first one if several are.
int64_t correct_of(const Tensor& logits, std::span<const int64_t> classes) {
  const std::vector<float> values = logits.detach().to_vector<float>();
  const int64_t count = logits.size(1);
  int64_t correct = 0;
  for (size_t n = 0; n < classes.size(); ++n) {
    const auto row = values.begin() + static_cast<std::ptrdiff_t>(n) * count;
    correct += std::max_element(row, row + count) - row == classes[n];
  }
  return correct;
}

}  // namespace

ClassifierTrainer::ClassifierTrainer(std::unique_ptr<nn::Network> network,
                                     std::shared_ptr<const Sde> sde, const OptimConfig& optim,
                                     const TrainConfig& train, int64_t classes)
    : NetworkTrainer(std::move(network), optim, train), sde_(std::move(sde)), classes_(classes) {}

StepReport ClassifierTrainer::step(const Tensor& images, std::span<const int64_t> classes) {
  const NoiseStream draws = stream();
  int64_t correct = 0;
  const StepReport report = update(
      images.size(0), images.device(),
      [&](int64_t first, int64_t count, const nn::ForwardOptions& options) {
        std::vector<double> t;
        for (int64_t i = first; i < first + count; ++i) t.push_back(draw_time(*sde_, draws, i));
        const auto [x, sigma] = at_times(*sde_, rows(images, first, count), t, options.samples,
                                         draws.key(Purpose::forward_noise));
        const Tensor logits = trained().forward(x, sigma, options);
        const auto part = classes.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
        correct += correct_of(logits, part);
        return nn::cross_entropy(logits,
                                 nn::one_hot(part, classes_, logits.dtype(), logits.device()));
      });
  if (report.nonfinite.empty()) loss_window().correct += correct;
  return report;
}

int64_t ClassifierTrainer::count_correct(const Tensor& images, std::span<const int64_t> classes,
                                         double t, int64_t first) const {
  const NoGradScope off;
  std::vector<int64_t> samples(classes.size());
  std::iota(samples.begin(), samples.end(), first);
  const Tensor positions = Tensor::from(samples, {images.size(0)}, images.device());
  const auto [x, sigma] =
      at_times(*sde_, images, std::span(&t, 1), positions, fixed_stream(0).key(Purpose::probe));
  return correct_of(averaged().forward(x, sigma), classes);
}

}  // namespace ito::sde
