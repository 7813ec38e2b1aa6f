// Data N(mu, s0^2) under several SDEs: the score is known, and numbers follow the rules that
// tensors should.
#pragma once

#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/binary/op.h"
#include "sde/config.h"
#include "sde/linear.h"
#include "sde/score.h"

namespace ito::samplers {

inline constexpr double kMu = 0.4, kStd = 0.3;
using SdePtr = std::shared_ptr<const sde::Sde>;

/// The published ones, and f = -(0.2 + 3 t) / 2, g^2 = 0.5 + t without closed forms.
inline SdePtr sde_named(const std::string& name) {
  if (name == "cosine") return std::make_shared<sde::Cosine>();
  if (name != "custom") return sde::make_sde({.name = name, .sigma_max = 10});
  return std::make_shared<sde::LinearSde>(
      sde::LinearConfig{.drift = [](double t) { return -0.5 * (0.2 + 3 * t); },
                        .diffusion2 = [](double t) { return 0.5 + t; }});
}

inline double variance(const sde::Sde& sde, double t) {
  return std::pow(sde.alpha(t) * kStd, 2) + std::pow(sde.sigma(t), 2);
}
inline double score_at(const sde::Sde& sde, double x, double t) {
  return -(x - sde.alpha(t) * kMu) / variance(sde, t);
}

/// score(x, t) = -(x - alpha mu) / (alpha^2 s0^2 + sigma^2), counting its calls.
inline sde::ScoreFn gaussian_score(SdePtr sde, int64_t* calls = nullptr) {
  return [=](const Tensor& x, std::span<const double> t) {
    if (calls != nullptr) ++*calls;
    std::vector<double> slope, shift;
    for (const double time : t) {
      slope.push_back(-1 / variance(*sde, time));
      shift.push_back(sde->alpha(time) * kMu / variance(*sde, time));
    }
    const auto rows = [&](const std::vector<double>& c) {
      return sde::over_samples(sde::per_sample(c, x), x);
    };
    return rows(slope) * x + rows(shift);
  };
}

inline std::vector<int64_t> indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

/// The drift of the reverse SDE, and E[x_0 | x].
inline double reverse(const sde::Sde& sde, double x, double t) {
  return -sde.drift(t) * x + sde.diffusion2(t) * score_at(sde, x, t);
}
inline double tweedie_of(const sde::Sde& sde, double x, double t) {
  return (x + std::pow(sde.sigma(t), 2) * score_at(sde, x, t)) / sde.alpha(t);
}

}  // namespace ito::samplers
