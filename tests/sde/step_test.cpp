// One-stage updates on data N(m, s^2). There the score is linear in x, so an update with
// coefficients (a, b, c) maps mean and variance in closed form: samplers are checked without
// drawing a number.
#include "samplers/step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "engine/core/check.h"
#include "samplers/correctors/langevin.h"
#include "samplers/predictors/predictor.h"
#include "sde/config.h"
#include "sde/time_grid.h"

namespace ito::samplers {
namespace {

using sde::IndexRounding;
using sde::Sde;
using sde::TimeGrid;
using sde::TimeStep;

constexpr const char* kSdes[] = {"ve", "vp", "subvp"};

std::unique_ptr<Sde> named(const std::string& name) { return sde::make_sde({.name = name}); }

struct Gaussian {
  double mean, variance;
};

constexpr Gaussian kData{.mean = 0.3, .variance = 0.25};

Gaussian marginal(const Sde& sde, double t) {
  const double a = sde.alpha(t), sigma = sde.sigma(t);
  return {a * kData.mean, a * a * kData.variance + sigma * sigma};
}

// The law of a x + b s(x) + c z for x ~ `from`, s = -(x - mean) / variance of `score_of`.
Gaussian apply(const StepCoef& c, const Gaussian& from, const Gaussian& score_of) {
  const double slope = c.x - c.score / score_of.variance;
  return {slope * from.mean + c.score * score_of.mean / score_of.variance,
          slope * slope * from.variance + c.noise * c.noise};
}

struct Error {
  double mean, variance;
};

Error error_at_end(const Sde& sde, const Predictor& predictor, const PredictorOptions& options,
                   int steps) {
  const double eps = sde.sampling_eps();
  const TimeGrid grid = TimeGrid::uniform(sde.T(), eps, steps);
  Gaussian x = marginal(sde, sde.T());
  for (int i = 0; i < steps; ++i) {
    const TimeStep step = grid.step(i);
    x = apply(predictor.step(sde, step, options), x, marginal(sde, step.t));
  }
  const Gaussian exact = marginal(sde, eps);
  return {std::abs(x.mean - exact.mean), std::abs(x.variance - exact.variance)};
}

// The order is log2 of the ratio of errors when h is halved; 0.2 is the allowance for terms of
// higher order at these h, and a small error that has converged already (rounding) counts as
// converged.
void expect_order(const Sde& sde, const Predictor& predictor, const PredictorOptions& options,
                  int order) {
  const Error coarse = error_at_end(sde, predictor, options, 2000);
  const Error fine = error_at_end(sde, predictor, options, 4000);
  const double rounding = 1e-11;
  EXPECT_LT(fine.mean, 0.02 * kData.mean) << sde.name() << " " << predictor.name;
  EXPECT_LT(fine.variance, 0.02 * kData.variance) << sde.name() << " " << predictor.name;
  if (fine.mean > rounding) {
    EXPECT_GE(std::log2(coarse.mean / fine.mean), order - 0.2)
        << sde.name() << " " << predictor.name << " mean " << coarse.mean << " " << fine.mean;
  }
  if (fine.variance > rounding) {
    EXPECT_GE(std::log2(coarse.variance / fine.variance), order - 0.2)
        << sde.name() << " " << predictor.name << " variance " << coarse.variance << " "
        << fine.variance;
  }
}

TEST(Predictors, EverySdeAndPredictorConvergesWithItsOrder) {
  int converged = 0;
  for (const char* name : kSdes) {
    const auto sde = named(name);
    for (const Predictor& predictor : predictors()) {
      if (predictor.order == 0) continue;
      expect_order(*sde, predictor, {}, predictor.order);
      ++converged;
    }
    for (const char* flow : {"euler_maruyama", "reverse_diffusion"}) {
      expect_order(*sde, predictor_by_name(flow), {.process = Process::probability_flow}, 1);
    }
    for (AncestralVariance variance : {AncestralVariance::posterior, AncestralVariance::forward}) {
      expect_order(*sde, predictor_by_name("ancestral_sampling"), {.variance = variance}, 1);
    }
  }
  EXPECT_EQ(converged, 15);
}

// With a single point as data, ancestral sampling with the posterior variance is exact for any
// step.
TEST(Predictors, PosteriorAncestralStepIsExactForOnePoint) {
  for (const char* name : kSdes) {
    const auto sde = named(name);
    const double t = 0.7, next = 0.2;
    const Gaussian at_t{sde->alpha(t) * 0.3, std::pow(sde->sigma(t), 2)};
    const StepCoef c =
        ancestral_sampling(*sde, {.t = t, .next = next, .h = t - next, .index = 0, .steps = 2},
                           {.variance = AncestralVariance::posterior});
    const Gaussian x = apply(c, at_t, at_t);
    EXPECT_NEAR(x.mean, sde->alpha(next) * 0.3, 1e-13) << name;
    EXPECT_NEAR(x.variance / std::pow(sde->sigma(next), 2), 1, 1e-9) << name;
  }
}

void expect_coef(const StepCoef& c, double x, double score, double noise) {
  EXPECT_NEAR(c.x, x, 1e-13 * std::abs(x));
  EXPECT_NEAR(c.score, score, 1e-12 * std::abs(score));
  EXPECT_NEAR(c.noise, noise, 1e-12 * std::abs(noise));
}

constexpr int kLevels = 50;

TimeStep level_step(int k) {
  const double t = static_cast<double>(k) / (kLevels - 1);
  const double next = static_cast<double>(k - 1) / (kLevels - 1);
  return {.t = t, .next = next, .h = 1.0 / kLevels, .index = kLevels - 1 - k, .steps = kLevels};
}

constexpr PredictorOptions kTable{.rule = StepRule::table};
constexpr PredictorOptions kTableFlow{.rule = StepRule::table,
                                      .process = Process::probability_flow};

double smld_variance(int k) {
  return k < 0 ? 0 : std::pow(0.01 * std::pow(5000.0, k / (kLevels - 1.0)), 2);
}

TEST(Predictors, TableRulesOfSmld) {
  const auto ve = named("ve");
  for (int k : {0, 1, 20, kLevels - 1}) {
    const double before = smld_variance(k - 1), variance = smld_variance(k);
    const double g2 = variance - before;
    const TimeStep step = level_step(k);
    expect_coef(reverse_diffusion(*ve, step, kTable), 1, g2, std::sqrt(g2));
    expect_coef(reverse_diffusion(*ve, step, kTableFlow), 1, 0.5 * g2, 0);
    expect_coef(probability_flow(*ve, step, kTable), 1, 0.5 * g2, 0);
    expect_coef(ancestral_sampling(*ve, step, kTable), 1, g2, std::sqrt(before * g2 / variance));
  }
}

TEST(Predictors, TableRulesOfDdpm) {
  const auto vp = named("vp");
  for (int k : {0, 1, 20, kLevels - 1}) {
    const double beta = 0.1 / kLevels + k * (20 - 0.1) / kLevels / (kLevels - 1);
    const TimeStep step = level_step(k);
    expect_coef(reverse_diffusion(*vp, step, kTable), 2 - std::sqrt(1 - beta), beta,
                std::sqrt(beta));
    expect_coef(reverse_diffusion(*vp, step, kTableFlow), 2 - std::sqrt(1 - beta), 0.5 * beta, 0);
    expect_coef(ancestral_sampling(*vp, step, kTable), 1 / std::sqrt(1 - beta),
                beta / std::sqrt(1 - beta), std::sqrt(beta));
  }
}

// beta_tilde of Ho et al. 2020, eq. 7: (1 - alpha_bar_{k-1}) / (1 - alpha_bar_k) beta_k.
TEST(Predictors, PosteriorVarianceOfDdpm) {
  const auto vp = named("vp");
  double alpha_bar = 1;
  for (int k = 0; k < kLevels; ++k) {
    const double beta = 0.1 / kLevels + k * (20 - 0.1) / kLevels / (kLevels - 1);
    const double before = alpha_bar;
    alpha_bar *= 1 - beta;
    PredictorOptions options = kTable;
    options.variance = AncestralVariance::posterior;
    const double c = ancestral_sampling(*vp, level_step(k), options).noise;
    EXPECT_NEAR(c * c, (1 - before) / (1 - alpha_bar) * beta, 1e-14) << k;
  }
}

TEST(Predictors, TableRulesOfSubVpAreEuler) {
  const auto subvp = named("subvp");
  const TimeStep step = level_step(20);
  const StepCoef euler = euler_maruyama(*subvp, step, {});
  expect_coef(reverse_diffusion(*subvp, step, kTable), euler.x, euler.score, euler.noise);
}

// On the times of its own levels the closed form and the table of SMLD are the same chain.
TEST(Predictors, ExactRuleEqualsTheSmldTableOnItsLevels) {
  const auto ve = named("ve");
  for (int k = 1; k < kLevels; ++k) {
    const TimeStep step = level_step(k);
    for (const char* name : {"reverse_diffusion", "ancestral_sampling"}) {
      const StepCoef table = predictor_by_name(name).step(*ve, step, kTable);
      const StepCoef exact = predictor_by_name(name).step(*ve, step, {});
      expect_coef(exact, table.x, table.score, table.noise);
    }
  }
}

// The first published case: VE with the posterior variance. The second: VP with beta, where the
// transition of the SDE plays the part of the table: 1 - beta_k -> exp(-(B_t - B_next)).
TEST(Predictors, ExactAncestralRowReproducesBothPublishedCases) {
  const auto ve = named("ve"), vp = named("vp");
  const TimeStep step{.t = 0.6, .next = 0.55, .h = 0.05, .index = 0, .steps = 20};
  const double vt = std::pow(ve->sigma(0.6), 2), vu = std::pow(ve->sigma(0.55), 2);
  expect_coef(ancestral_sampling(*ve, step, {}), 1, vt - vu, std::sqrt(vu * (vt - vu) / vt));
  const auto integral = [](double t) { return 0.1 * t + 0.5 * 19.9 * t * t; };
  const double beta = 1 - std::exp(-(integral(0.6) - integral(0.55)));
  expect_coef(ancestral_sampling(*vp, step, {}), 1 / std::sqrt(1 - beta),
              beta / std::sqrt(1 - beta), std::sqrt(beta));
}

TEST(Predictors, EulerMaruyamaUsesTheStepOfTheGrid) {
  const auto vp = named("vp");
  const TimeStep step = TimeGrid::song_paper(1, 1e-3, 10).step(9);
  const StepCoef c = euler_maruyama(*vp, step, {});
  const double beta = 0.1 + 1e-3 * 19.9;
  expect_coef(c, 1 + 0.5 * beta / 10, beta / 10, std::sqrt(beta / 10));
  const StepCoef flow = euler_maruyama(*vp, step, {.process = Process::probability_flow});
  expect_coef(flow, 1 + 0.5 * beta / 10, 0.5 * beta / 10, 0);
  expect_coef(no_predictor(*vp, step, {}), 1, 0, 0);
}

TEST(Predictors, AncestralHasNoProbabilityFlow) {
  try {
    ancestral_sampling(*named("ve"), level_step(3), kTableFlow);
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_combination);
  }
}

TEST(Predictors, UnknownNameSuggestsTheNearest) {
  for (const Predictor& predictor : predictors()) {
    EXPECT_EQ(&predictor_by_name(predictor.name), &predictor);
  }
  try {
    predictor_by_name("ancestral");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_value);
    EXPECT_EQ(error.subject(), "sampling.predictor");
  }
  try {
    predictor_by_name("euler_maryuama");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_EQ(error.fix().find("use euler_maruyama (the nearest)"), 0u) << error.fix();
  }
}

TEST(Langevin, AlphaOfEachSde) {
  const auto ve = named("ve"), vp = named("vp"), subvp = named("subvp");
  EXPECT_EQ(corrector_alpha(*ve, 0.5, 1000), 1);
  EXPECT_EQ(corrector_alpha(*ve, 0.5, 1000, CorrectorAlpha::cumulative), 1);
  EXPECT_NEAR(corrector_alpha(*vp, 499 / 999.0, 1000), 1 - 0.01004004004, 1e-11);
  EXPECT_NEAR(corrector_alpha(*subvp, 499 / 999.0, 1000), 1 - 0.01004004004, 1e-11);
  EXPECT_NEAR(corrector_alpha(*vp, 499 / 999.0, 1000, CorrectorAlpha::cumulative), 0.0785872429,
              1e-10);
  EXPECT_NEAR(
      corrector_alpha(*vp, 0.4999, 11 * 100, CorrectorAlpha::per_step, IndexRounding::truncate),
      1 - (0.1 + 19.9 * 549 / 1099) / 1100, 1e-12);
  EXPECT_THROW(corrector_alpha(*subvp, 1, 10), ValueError);
}

TEST(Langevin, StepSizes) {
  EXPECT_DOUBLE_EQ(langevin_step_size(0.5, 0.16, 55, 11), 2 * 0.5 * 0.8 * 0.8);
  EXPECT_THROW(langevin_step_size(1, 0.16, 55, 0), ValueError);
  // NCSN's schedule e (sigma / sigma_1)^2 at sigma_1 = 0.01 is the annealed rule with these snr.
  EXPECT_NEAR(annealed_langevin_step_size(1, 0.316, 0.01), 2e-5, 5e-8);
  EXPECT_NEAR(annealed_langevin_step_size(1, 0.176, 0.01), 6.2e-6, 2e-8);
  EXPECT_NEAR(annealed_langevin_step_size(1, 0.128, 0.01), 3.3e-6, 3e-8);
  EXPECT_NEAR(annealed_langevin_step_size(1, 0.095, 0.01), 1.8e-6, 6e-9);
  EXPECT_DOUBLE_EQ(annealed_langevin_step_size(0.9, 0.1, 2),
                   0.9 * annealed_langevin_step_size(1, 0.1, 2));
}

// For a normal target of variance V the chain x + e s + sqrt(2 e) z is stationary at
// V / (1 - e / (2 V)) around the right mean.
TEST(Langevin, StationaryLawOfANormalTarget) {
  const Gaussian target{0.7, 2.0};
  const double step_size = 0.3;
  Gaussian x{-4, 9};
  for (int i = 0; i < 500; ++i) x = apply(langevin_step(step_size), x, target);
  EXPECT_NEAR(x.mean, target.mean, 1e-12);
  EXPECT_NEAR(x.variance, target.variance / (1 - step_size / (2 * target.variance)), 1e-12);
}

TEST(Tweedie, IsThePosteriorMeanOfNormalData) {
  for (const char* name : kSdes) {
    const auto sde = named(name);
    for (double t : {1e-3, 0.2, 0.9}) {
      const Gaussian at_t = marginal(*sde, t);
      const double a = sde->alpha(t), x = 0.83;
      const double gain = a * kData.variance / at_t.variance;
      const StepCoef c = tweedie(*sde, t);
      const double score = -(x - at_t.mean) / at_t.variance;
      EXPECT_NEAR(c.x * x + c.score * score, kData.mean + gain * (x - at_t.mean), 1e-11) << name;
      EXPECT_EQ(c.noise, 0);
    }
  }
}

}  // namespace
}  // namespace ito::samplers
