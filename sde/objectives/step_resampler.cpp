#include "sde/objectives/step_resampler.h"

#include <algorithm>
#include <cmath>

#include "engine/core/check.h"

namespace ito::sde {

StepResampler::StepResampler(int levels, int history, double uniform)
    : levels_(levels), history_(history), uniform_(uniform) {
  ITO_CHECK(levels >= 1 && history >= 1 && uniform > 0 && uniform <= 1, ValueError,
            "a resampler has steps, a history and a share of uniform draws", kv("levels", levels),
            kv("history", history), kv("uniform", uniform));
  losses_.resize(static_cast<size_t>(levels) * static_cast<size_t>(history));
  counts_.resize(static_cast<size_t>(levels));
}

std::vector<double> StepResampler::probabilities() const {
  const auto n = static_cast<size_t>(levels_), h = static_cast<size_t>(history_);
  std::vector<double> p(n, 1.0 / levels_);
  if (std::ranges::min(counts_) < history_) return p;
  double total = 0;
  for (size_t i = 0; i < n; ++i) {
    double squares = 0;
    for (size_t j = 0; j < h; ++j) squares += losses_[i * h + j] * losses_[i * h + j];
    p[i] = std::sqrt(squares / history_);
    total += p[i];
  }
  for (double& value : p) {
    value = total > 0 ? (1 - uniform_) * value / total + uniform_ / levels_ : 1.0 / levels_;
  }
  return p;
}

StepResampler::Draw StepResampler::draw(double u) const {
  const std::vector<double> p = probabilities();
  double sum = 0;
  int index = 0;
  for (int i = 0; i < levels_; ++i) {
    sum += p[static_cast<size_t>(i)];
    index = i;
    if (u < sum) break;
  }
  return {index, 1 / (levels_ * p[static_cast<size_t>(index)])};
}

void StepResampler::update(std::span<const int> indices, std::span<const double> losses) {
  ITO_CHECK(indices.size() == losses.size(), ShapeError, "one loss per drawn step",
            kv("steps", indices.size()), kv("losses", losses.size()));
  for (size_t k = 0; k < indices.size(); ++k) {
    const auto i = static_cast<size_t>(indices[k]);
    const auto slot = static_cast<size_t>(counts_.at(i)++ % history_);
    losses_[i * static_cast<size_t>(history_) + slot] = losses[k];
  }
}

}  // namespace ito::sde
