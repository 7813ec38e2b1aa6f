#include "tools/run/pitfalls.h"

#include <array>
#include <cmath>
#include <numbers>

#include "engine/autograd/autograd.h"
#include "engine/random/noise.h"
#include "models/make.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"
#include "tools/config/config.h"
#include "tools/run/plane_plot.h"

namespace ito::tools {
namespace {

constexpr int kPixels = 300;
constexpr float kHalfWidth = 8;
constexpr double kMode = 4;  // modes at (4, 4), weight 0.8, and (-4, -4)
constexpr double kLargeWeight = 0.8;

using Point = std::array<double, 2>;

/// ln of the mixture's two weighted densities at noise level sigma; unit variances.
std::array<double, 2> log_parts(const Point& x, double sigma) {
  const double variance = 1 + sigma * sigma;
  const auto part = [&](double weight, double mode) {
    const double a = x[0] - mode, b = x[1] - mode;
    return std::log(weight / (2 * std::numbers::pi * variance)) - 0.5 * (a * a + b * b) / variance;
  };
  return {part(kLargeWeight, kMode), part(1 - kLargeWeight, -kMode)};
}

/// grad log p_sigma.
Point mixture_score(const Point& x, double sigma) {
  const auto [large, small] = log_parts(x, sigma);
  const double share = 1 / (1 + std::exp(small - large));  // posterior weight of the large mode
  const double mean = kMode * (2 * share - 1), variance = 1 + sigma * sigma;
  return {(mean - x[0]) / variance, (mean - x[1]) / variance};
}

double mixture_density(const Point& x) {
  const auto [large, small] = log_parts(x, 0);
  return std::exp(large) + std::exp(small);
}

std::vector<float> mixture_samples(uint64_t seed, int count) {
  std::vector<float> points;
  const NoiseKey key{seed, Purpose::data, 0};
  for (uint32_t i = 0; i < static_cast<uint32_t>(count); ++i) {
    const double mode = uniform_at(key, i, 0) < kLargeWeight ? kMode : -kMode;
    points.push_back(static_cast<float>(mode + normal_at(key, i, 4)));
    points.push_back(static_cast<float>(mode + normal_at(key, i, 5)));
  }
  return points;
}

/// x' = x + e s + sqrt(2 e) z.
void langevin(std::vector<float>& points, double sigma, double e, int steps, NoiseKey key) {
  for (int k = 0; k < steps; ++k, ++key.step) {
    for (size_t i = 0; i < points.size(); i += 2) {
      const Point s = mixture_score({points[i], points[i + 1]}, sigma);
      for (size_t c = 0; c < 2; ++c) {
        const double z = normal_at(key, static_cast<uint32_t>(i / 2), static_cast<uint32_t>(c));
        points[i + c] += static_cast<float>(e * s[c] + std::sqrt(2 * e) * z);
      }
    }
  }
}

double large_share(const std::vector<float>& points) {
  double count = 0;
  for (size_t i = 0; i < points.size(); i += 2) count += points[i] + points[i + 1] > 0 ? 1 : 0;
  return 2 * count / static_cast<double>(points.size());
}

data::Image picture_of(const std::vector<float>& points) {
  PlanePlot plot(kPixels, kHalfWidth);
  plot.dots(points, PlanePlot::kBlue, 1.2f, 0.6f);
  return plot.image();
}

/// A score network trained on the mixture at the noise level 0.1 alone.
std::vector<float> learned_scores(uint64_t seed, int64_t steps, const std::vector<float>& at) {
  constexpr double kSigma = 0.1;
  Config config = load_config({.preset = "toy/ism"});
  config.sde = {.name = "ve", .sigma_min = kSigma, .sigma_max = 10};
  config.objective.sigma = kSigma;
  config.validate();
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde(config.sde);
  sde::Trainer trainer(nn::make_network(config.model, config.image(), seed), sde, config.objective,
                       config.optim, config.train, config.sde.num_scales);
  const int batch = config.train.batch;
  for (int64_t k = 0; k < steps; ++k) {
    const auto points = mixture_samples(seed + static_cast<uint64_t>(k) + 1, batch);
    trainer.step(Tensor::from(points, {batch, 1, 1, 2}));
  }
  const NoGradScope off;
  const auto count = static_cast<int64_t>(at.size() / 2);
  const Tensor labels = Tensor::full({count}, kSigma, DType::f32);
  return trainer.ema_network()
      .forward(Tensor::from(at, {count, 1, 1, 2}), labels)
      .to_vector<float>();
}

}  // namespace

MixingDemo show_slow_mixing(uint64_t seed, int points) {
  const std::vector<float> truth = mixture_samples(seed, points);
  // Starts uniform over the plot: half of it on either side of the line between the modes.
  std::vector<float> plain;
  const NoiseKey start{seed, Purpose::prior, 0}, noise{seed, Purpose::corrector, 0};
  for (uint32_t i = 0; i < static_cast<uint32_t>(points); ++i) {
    for (uint32_t c = 0; c < 2; ++c) {
      plain.push_back(kHalfWidth * (2 * uniform_at(start, i, c) - 1));
    }
  }
  std::vector<float> annealed = plain;
  langevin(plain, 0, 0.05, 1000, noise);
  constexpr int kLevels = 20, kStepsPerLevel = 50;
  for (int level = 0; level < kLevels; ++level) {
    const double sigma = 20 * std::pow(0.1 / 20, level / (kLevels - 1.0));
    NoiseKey key = noise;
    key.step = static_cast<uint32_t>(level * kStepsPerLevel);
    langevin(annealed, sigma, 0.1 * sigma * sigma, kStepsPerLevel, key);
  }
  return {side_by_side({picture_of(truth), picture_of(plain), picture_of(annealed)}),
          large_share(truth), large_share(plain), large_share(annealed)};
}

LowDensityDemo show_low_density(uint64_t seed, int64_t steps) {
  constexpr int kArrows = 20, kSide = 60;
  constexpr float kCell = 2 * kHalfWidth / kArrows;
  const auto fields = [&](int side) {
    const std::vector<float> at = grid_points(side, kHalfWidth);
    std::vector<float> exact;
    for (size_t i = 0; i < at.size(); i += 2) {
      const Point s = mixture_score({at[i], at[i + 1]}, 0.1);
      exact.insert(exact.end(), {static_cast<float>(s[0]), static_cast<float>(s[1])});
    }
    return std::array{at, exact};
  };
  const auto [coarse, coarse_exact] = fields(kArrows);
  const auto [fine, fine_exact] = fields(kSide);
  std::vector<float> both = coarse;
  both.insert(both.end(), fine.begin(), fine.end());
  const std::vector<float> learned = learned_scores(seed, steps, both);
  const std::span<const float> at_coarse(learned.data(), coarse.size());
  const std::span<const float> at_fine(learned.data() + coarse.size(), fine.size());

  PlanePlot exact_plot(kPixels, kHalfWidth), learned_plot(kPixels, kHalfWidth);
  draw_field(exact_plot, coarse, coarse_exact, kCell);
  draw_field(learned_plot, coarse, at_coarse, kCell);
  std::vector<float> error;
  std::array<double, 2> errors{}, sizes{};
  for (size_t i = 0; i < fine.size(); i += 2) {
    const float distance =
        std::hypot(at_fine[i] - fine_exact[i], at_fine[i + 1] - fine_exact[i + 1]);
    const float norm = std::hypot(fine_exact[i], fine_exact[i + 1]);
    const size_t far = mixture_density({fine[i], fine[i + 1]}) < 1e-4 ? 1 : 0;
    errors[far] += distance;
    sizes[far] += norm;
    error.push_back(distance / (distance + 3));
  }
  PlanePlot error_plot(kPixels, kHalfWidth);
  error_plot.heat(error, kSide);
  error_plot.dots(mixture_samples(seed, 500), PlanePlot::kRed, 1.2f, 0.6f);
  return {side_by_side({exact_plot.image(), learned_plot.image(), error_plot.image()}),
          errors[0] / sizes[0], errors[1] / sizes[1]};
}

}  // namespace ito::tools
