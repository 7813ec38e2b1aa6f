// Custom linear SDEs, the cosine schedule, time grids and the choice of noise scales.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>

#include "sde/config.h"
#include "sde/general/noise_scales.h"
#include "sde/linear.h"
#include "sde/time_grid.h"

namespace ito::sde {
namespace {

void expect_relative(double value, double expected, double tolerance) {
  EXPECT_NEAR(value, expected, tolerance * std::abs(expected));
}

/// The published SDEs again, from f and g^2 alone.
LinearSde integrated(const Sde& sde) {
  LinearConfig c{.drift = [&sde](double t) { return sde.drift(t); },
                 .diffusion2 = [&sde](double t) { return sde.diffusion2(t); }};
  if (sde.name() == "ve") c.initial_std = sde.sigma(0);
  return LinearSde(c);
}

TEST(LinearSde, QuadratureGivesTheClosedForms) {
  for (const char* name : {"ve", "vp", "subvp"}) {
    const auto sde = make_sde({.name = name});
    const LinearSde custom = integrated(*sde);
    for (const double t : {0.0, 1e-5, 1e-3, 0.0078125, 0.03, 0.31, 0.5, 0.77, 0.999, 1.0}) {
      expect_relative(custom.alpha(t), sde->alpha(t), 1e-12);
      expect_relative(custom.sigma(t), sde->sigma(t), 1e-12);
    }
    expect_relative(custom.prior_std(), sde->sigma(1), 1e-12);
  }
}

TEST(LinearSde, TakesClosedFormsAndConventions) {
  const LinearSde sde({.name = "mine",
                       .T = 2,
                       .drift = [](double) { return 0.0; },
                       .diffusion2 = [](double t) { return 2 * t; },
                       .alpha = [](double) { return 1.0; },
                       .sigma = [](double t) { return t; },
                       .prior_std = 2.5,
                       .centered_data = false,
                       .label_per_time = 10});
  EXPECT_EQ(sde.name(), "mine");
  EXPECT_EQ(sde.sigma(1.5), 1.5);
  EXPECT_EQ(sde.prior_std(), 2.5);
  EXPECT_FALSE(sde.centered_data());
  EXPECT_EQ(sde.network_label(1, Labels::continuous, 100), 5);
  EXPECT_EQ(sde.network_label(1, Labels::discrete, 101), 50);
  EXPECT_EQ(sde.score_scale(0.5, Labels::continuous, 1, IndexRounding::nearest), -2);
}

TEST(LinearSde, RefusesWhatIsNoSde) {
  const auto zero = [](double) { return 0.0; };
  EXPECT_THROW(LinearSde({.drift = zero}), ValueError);
  EXPECT_THROW(LinearSde({.drift = zero, .diffusion2 = zero, .alpha = zero}), ValueError);
  EXPECT_THROW(LinearSde({.T = 0, .drift = zero, .diffusion2 = zero}), ValueError);
  EXPECT_THROW(LinearSde({.drift = zero, .diffusion2 = zero, .initial_std = -1}), ValueError);
  EXPECT_THROW(LinearSde({.drift = zero, .diffusion2 = [](double) { return NAN; }}), ValueError);
  EXPECT_THROW(LinearSde({.drift = zero, .diffusion2 = zero}).sigma(1.1), ValueError);
}

TEST(Cosine, IsConsistentAndContinuousAtItsCap) {
  const Cosine sde;
  const LinearSde integral({.drift = [&](double t) { return sde.drift(t); },
                            .diffusion2 = [&](double t) { return sde.diffusion2(t); }});
  for (const double t : {1e-6, 1e-3, 0.1, 0.5, 0.9}) {
    expect_relative(sde.alpha(t), integral.alpha(t), 1e-12);
    expect_relative(sde.sigma(t), integral.sigma(t), 1e-12);
    EXPECT_NEAR(std::pow(sde.alpha(t), 2) + std::pow(sde.sigma(t), 2), 1, 1e-14);
  }
  // cos^2 of the angle, over its value at 0: equation 17.
  const auto f = [](double t) {
    return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
  };
  expect_relative(std::pow(sde.alpha(0.3), 2), f(0.3) / f(0), 1e-13);
  expect_relative(sde.diffusion2(1), 999, 1e-12);
  // f alpha is alpha' on both sides of the cap, near t = 0.998.
  for (const double t : {0.995, 0.9979, 0.9985, 0.9999}) {
    const double h = 1e-6, slope = (sde.alpha(t + h) - sde.alpha(t - h)) / (2 * h);
    expect_relative(slope, sde.drift(t) * sde.alpha(t), 1e-4);
  }
}

TEST(Cosine, TableOfNicholAndDhariwal) {
  const Cosine sde;
  const auto f = [](double t) {
    return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
  };
  const int n = 1000;
  for (const int k : {0, 1, 499, 998}) {
    const Discretization d = sde.discretize(k / (n - 1.0), n, IndexRounding::nearest);
    EXPECT_EQ(d.index, k);
    EXPECT_NEAR(d.G * d.G, 1 - f((k + 1.0) / n) / f(1.0 * k / n), 1e-12);
    expect_relative(d.alpha_bar_k, f((k + 1.0) / n) / f(0), 1e-9);
  }
  EXPECT_DOUBLE_EQ(sde.discretize(1, n, IndexRounding::nearest).alpha_k, 1 - 0.999);
}

using Spacing = std::function<double(const Sde&, double)>;
void expect_even(const Sde& sde, const TimeGrid& grid, double eps, const Spacing& of) {
  const int n = grid.steps();
  EXPECT_EQ(grid.t(0), sde.T());
  EXPECT_EQ(grid.t(n), eps);
  const double first = of(sde, sde.T()), last = of(sde, eps);
  for (int i = 0; i <= n; ++i) {
    const double expected = std::lerp(first, last, 1.0 * i / n);
    EXPECT_NEAR(of(sde, grid.t(i)), expected, 1e-11 * std::abs(first - last)) << i;
  }
}

TEST(TimeGrids, SpaceWhatTheyPromise) {
  const auto ratio = [](const Sde& s, double t) { return s.sigma(t) / s.alpha(t); };
  for (const char* name : {"ve", "vp", "subvp"}) {
    const auto sde = make_sde({.name = name});
    const double eps = 1e-3;
    for (const int n : {1, 2, 17}) {
      expect_even(*sde, TimeGrid::geometric(*sde, eps, n), eps,
                  [](const Sde& s, double t) { return std::log(s.sigma(t)); });
      expect_even(*sde, TimeGrid::uniform_lambda(*sde, eps, n), eps,
                  [&](const Sde& s, double t) { return std::log(ratio(s, t)); });
      expect_even(*sde, TimeGrid::karras(*sde, eps, n), eps,
                  [&](const Sde& s, double t) { return std::pow(ratio(s, t), 1. / 7); });
      expect_even(*sde, TimeGrid::cosine(*sde, eps, n), eps,
                  [&](const Sde& s, double t) { return std::atan(ratio(s, t)); });
      expect_even(*sde, TimeGrid::quadratic(1, eps, n), eps,
                  [](const Sde&, double t) { return std::sqrt(t); });
    }
  }
}

TEST(TimeGrids, KnownValues) {
  // VE: geometric sigmas are equal steps of t. EDM's own: sigma = t on [0.002, 80].
  const auto ve = make_sde({.name = "ve"});
  const TimeGrid geometric = TimeGrid::geometric(*ve, 0, 10);
  for (int i = 0; i <= 10; ++i) EXPECT_NEAR(geometric.t(i), 1 - 0.1 * i, 1e-13);
  const LinearSde edm({.T = 80,
                       .drift = [](double) { return 0.0; },
                       .diffusion2 = [](double t) { return 2 * t; },
                       .alpha = [](double) { return 1.0; },
                       .sigma = [](double t) { return t; }});
  const TimeGrid karras = TimeGrid::karras(edm, 0.002, 17);
  for (int i = 0; i < 18; ++i) {
    const double root =
        std::pow(80, 1. / 7) + i / 17. * (std::pow(0.002, 1. / 7) - std::pow(80, 1. / 7));
    expect_relative(karras.t(i), std::pow(root, 7), 1e-12);
  }
  // VP: time from lambda in closed form (DPM-Solver).
  const auto vp = make_sde({.name = "vp"});
  for (const double lambda : {-4.0, 0.0, 2.5}) {
    const double l = std::log1p(std::exp(-2 * lambda));
    const double t = 2 * l / (std::sqrt(0.01 + 2 * 19.9 * l) + 0.1);
    expect_relative(time_at_ratio(*vp, std::exp(-lambda)), t, 1e-12);
  }
  EXPECT_EQ(time_at_ratio(*vp, 1e9), 1);
  EXPECT_EQ(time_at_ratio(*vp, 0), 0);
}

TEST(TimeGrids, GivenTimes) {
  const TimeGrid grid = TimeGrid::from_times({0.9, 0.5, 0});
  EXPECT_EQ(grid.steps(), 2);
  EXPECT_EQ(grid.step(0).h, 0.9 - 0.5);
  EXPECT_EQ(grid.step(1).next, 0);
  EXPECT_THROW(TimeGrid::from_times({0.9}), ValueError);
  EXPECT_THROW(TimeGrid::from_times({0.9, 0.9}), ValueError);
  EXPECT_THROW(TimeGrid::from_times({0.9, -0.1}), ValueError);
  EXPECT_THROW(TimeGrid::from_times({0.9, NAN}), ValueError);
  const auto vp = make_sde({.name = "vp"});
  EXPECT_THROW(TimeGrid::uniform_lambda(*vp, 0, 10), ValueError);
  EXPECT_THROW(TimeGrid::karras(*vp, 1e-3, 10, 0), ValueError);
  EXPECT_THROW(TimeGrid::geometric(*vp, 1, 10), ValueError);
}

TEST(NoiseScales, LargestDistance) {
  std::vector<float> points(300 * 2, 0);
  points[2 * 40] = 3;        // (3, 0)
  points[2 * 299 + 1] = -4;  // (0, -4)
  const Tensor data = Tensor::from(points, {300, 2});
  const LargestNoise all = largest_noise(data);
  EXPECT_DOUBLE_EQ(all.sigma_max, 5);
  EXPECT_EQ(all.rows, 300);
  const LargestNoise some = largest_noise(data, 299, 1);
  EXPECT_LE(some.sigma_max, 5);
  EXPECT_EQ(some.rows, 299);
  EXPECT_THROW(largest_noise(data, 1), ValueError);
}

// Of the settings that were published with the code of Song and Ermon 2020.
TEST(NoiseScales, PublishedSettings) {
  struct Row {
    double gamma;
    int64_t pixels;
    double overlap, tolerance;
  };
  for (const Row& r : {Row{1.03756, 32, 0.567, 1e-3}, Row{1.01841, 64, 0.567, 1e-3},
                       Row{1.00912, 128, 0.566, 1e-3}, Row{1.00454, 256, 0.567, 1e-3},
                       Row{1.0122, 64, 0.869, 1e-3}}) {
    EXPECT_NEAR(level_overlap(r.gamma, 3 * r.pixels * r.pixels), r.overlap, r.tolerance);
    const double solved = level_ratio(3 * r.pixels * r.pixels, r.overlap);
    expect_relative(solved - 1, r.gamma - 1, 5e-3);
  }
  EXPECT_NEAR(level_overlap(1, 3072), 0.9973, 1e-4);
  EXPECT_EQ(level_count(0.01, 50, 1.03756), 232);
  EXPECT_EQ(level_count(0.01, 90, std::pow(9000, 1. / 499)), 500);
  EXPECT_EQ(level_count(0.01, 90, std::pow(9000, 1. / 499.5)), 501);
  EXPECT_EQ(level_count(1, 8, 2), 4);
  // gamma, T, shipped step, its ratio of variances.
  struct Step {
    double gamma;
    int steps;
    double step, ratio;
  };
  for (const Step& s : {Step{1.03756, 5, 6.2e-6, 1.056}, Step{1.01841, 5, 3.3e-6, 1.031},
                        Step{1.0122, 4, 4.9e-6, 1.025}, Step{1.00912, 3, 1.8e-6, 1.017},
                        Step{1.00454, 3, 0.9e-6, 1.009}}) {
    EXPECT_NEAR(langevin_variance_ratio(s.step, 0.01, s.gamma, s.steps), s.ratio, 1e-3);
    const double best = langevin_step_for(0.01, s.gamma, s.steps);
    const double at_best = langevin_variance_ratio(best, 0.01, s.gamma, s.steps);
    EXPECT_LE(at_best, langevin_variance_ratio(best * 1.01, 0.01, s.gamma, s.steps));
    EXPECT_LE(at_best, langevin_variance_ratio(best * 0.99, 0.01, s.gamma, s.steps));
    EXPECT_LE(at_best, langevin_variance_ratio(s.step, 0.01, s.gamma, s.steps) + 1e-12);
  }
  expect_relative(langevin_step_for(0.01, 1.03756, 5), 6.2e-6, 0.05);
  EXPECT_THROW(level_ratio(3), ValueError);
  EXPECT_THROW(level_overlap(0.9, 100), ValueError);
}

}  // namespace
}  // namespace ito::sde
