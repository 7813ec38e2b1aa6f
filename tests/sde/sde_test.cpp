#include "sde/sde.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "engine/core/check.h"
#include "engine/core/nearest_name.h"
#include "sde/config.h"
#include "sde/score.h"
#include "sde/sub_vp.h"
#include "sde/time_grid.h"
#include "sde/ve.h"
#include "sde/vp.h"

namespace ito::sde {
namespace {

constexpr const char* kNames[] = {"ve", "vp", "subvp"};

std::unique_ptr<Sde> named(const std::string& name) { return make_sde({.name = name}); }

void expect_relative(double value, double expected, double tolerance) {
  EXPECT_NEAR(value, expected, tolerance * std::abs(expected));
}

// Central difference of fourth order: error h^4 f^(5) / 30, and rounding of about 1e-16 f / h.
template <class F>
double derivative(F f, double t, double h) {
  return (8 * (f(t + h) - f(t - h)) - (f(t + 2 * h) - f(t - 2 * h))) / (12 * h);
}

// Values computed from the closed forms in double precision, printed to nine digits.
TEST(Sde, ClosedFormsMatchTabulatedValues) {
  struct Row {
    double t, alpha, vp, subvp, g_vp, g_subvp, ve, g_ve;
  };
  const Row rows[] = {
      {1e-5, 0.9999995, 0.00100049713, 1.0009945e-6, 0.316542256, 4.47880782e-4, 0.0100008518,
       0.0412762502},
      {1e-3, 0.999945027, 0.0104854163, 1.09943956e-4, 0.346265794, 5.13450205e-3, 0.0100855357,
       0.0416257639},
      {0.1, 0.946721799, 0.322052536, 0.103717836, 1.44568323, 0.641137746, 0.0234367291,
       0.0967297905},
      {0.5, 0.281182881, 0.959654202, 0.920936188, 3.1701735, 3.16024945, 0.707106781, 2.91842307},
      {1, 0.00657158649, 0.999978407, 0.999956814, 4.47213595, 4.47213595, 50, 206.363674},
  };
  const auto ve = named("ve"), vp = named("vp"), subvp = named("subvp");
  for (const Row& row : rows) {
    const double t = row.t, half_digit = 5.1e-9;
    expect_relative(vp->alpha(t), row.alpha, t == 1e-5 ? 5e-8 : half_digit);
    EXPECT_EQ(subvp->alpha(t), vp->alpha(t));
    EXPECT_EQ(ve->alpha(t), 1);
    expect_relative(vp->sigma(t), row.vp, half_digit);
    expect_relative(subvp->sigma(t), row.subvp, half_digit);
    expect_relative(std::sqrt(vp->diffusion2(t)), row.g_vp, half_digit);
    expect_relative(std::sqrt(subvp->diffusion2(t)), row.g_subvp, half_digit);
    expect_relative(ve->sigma(t), row.ve, half_digit);
    expect_relative(std::sqrt(ve->diffusion2(t)), row.g_ve, half_digit);
  }
}

TEST(Sde, TransitionSolvesItsDifferentialEquations) {
  for (const char* name : kNames) {
    const auto sde = named(name);
    for (double t : {1e-3, 0.03, 0.2, 0.5, 0.77, 0.99}) {
      const double h = 1e-3 * std::min(t, 1 - t);
      const double f = sde->drift(t), a = sde->alpha(t), variance = std::pow(sde->sigma(t), 2);
      const double da = derivative([&](double u) { return sde->alpha(u); }, t, h);
      const double dv = derivative([&](double u) { return std::pow(sde->sigma(u), 2); }, t, h);
      const double dv_exact = 2 * f * variance + sde->diffusion2(t);
      // Rounding of the values over h, and the error of the formula.
      EXPECT_NEAR(da, f * a, 1e-15 * a / h + 1e-9 * std::abs(f * a)) << name << " t=" << t;
      EXPECT_NEAR(dv, dv_exact, 1e-15 * variance / h + 1e-9 * dv_exact) << name << " t=" << t;
    }
  }
}

TEST(Sde, CovarianceOfDataFollowsAppendixB) {
  const VpConfig beta;
  const auto vp = named("vp"), subvp = named("subvp");
  for (double t : {0.01, 0.3, 1.0}) {
    for (double s2 : {0.0, 0.25, 1.0, 4.0}) {
      const double e = std::exp(-beta.integral(t));
      const double at_vp = std::pow(vp->alpha(t), 2) * s2 + std::pow(vp->sigma(t), 2);
      const double at_subvp = std::pow(subvp->alpha(t), 2) * s2 + std::pow(subvp->sigma(t), 2);
      EXPECT_NEAR(at_vp, 1 + e * (s2 - 1), 1e-14);
      EXPECT_NEAR(at_subvp, 1 + e * e + e * (s2 - 2), 1e-14);
      EXPECT_LE(at_subvp, at_vp);
    }
  }
}

TEST(Sde, ConventionsOfEachFamily) {
  EXPECT_EQ(named("ve")->prior_std(), 50);
  EXPECT_EQ(named("vp")->prior_std(), 1);
  EXPECT_EQ(named("subvp")->prior_std(), 1);
  EXPECT_EQ(named("ve")->sampling_eps(), 1e-5);
  EXPECT_EQ(named("vp")->sampling_eps(), 1e-3);
  EXPECT_EQ(named("subvp")->sampling_eps(), 1e-3);
  EXPECT_FALSE(named("ve")->centered_data());
  EXPECT_TRUE(named("vp")->centered_data());
  EXPECT_TRUE(named("subvp")->centered_data());
}

TEST(Sde, PriorDensity) {
  // Three independent one-dimensional densities.
  const double z[] = {0.5, -1.25, 2.0};
  for (const char* name : kNames) {
    const auto sde = named(name);
    const double s = sde->prior_std();
    double expected = 0, squared = 0;
    for (double x : z) {
      expected += std::log(std::exp(-x * x / (2 * s * s)) / (s * std::sqrt(2 * std::numbers::pi)));
      squared += x * x;
    }
    EXPECT_NEAR(sde->prior_logp(3, squared), expected, 1e-13);
  }
}

TEST(Discretize, DdpmTableOf1000Levels) {
  const auto vp = named("vp");
  struct Row {
    int k;
    double beta, alpha_bar;
  };
  for (const Row& row : {Row{0, 1e-4, 0.9999}, Row{499, 0.01004004004, 0.0785872429},
                         Row{999, 0.02, 4.03582977e-5}}) {
    const Discretization d = vp->discretize(row.k / 999.0, 1000);
    EXPECT_EQ(d.index, row.k);
    expect_relative(d.G * d.G, row.beta, 1e-9);
    expect_relative(1 - d.alpha_k, row.beta, 1e-9);
    expect_relative(d.alpha_bar_k, row.alpha_bar, 5e-9);
    expect_relative(1 + d.f, std::sqrt(1 - row.beta), 1e-9);
    EXPECT_NEAR(d.sigma_k * d.sigma_k, 1 - row.alpha_bar, 1e-9);
    // sigma_k^2 = alpha_k sigma_prev^2 + beta_k: the variances of one forward step add up.
    EXPECT_NEAR(d.sigma_k * d.sigma_k, d.alpha_k * d.sigma_prev * d.sigma_prev + d.G * d.G, 1e-15);
  }
}

TEST(Discretize, SmldTableTelescopes) {
  const Ve ve({.sigma_min = 0.01, .sigma_max = 50});
  double variance = 0;
  for (int k = 0; k < 10; ++k) {
    const Discretization d = ve.discretize(k / 9.0, 10, IndexRounding::nearest);
    EXPECT_EQ(d.index, k);
    EXPECT_EQ(d.f, 0);
    EXPECT_EQ(d.alpha_k, 1);
    variance += d.G * d.G;
    expect_relative(d.sigma_k * d.sigma_k, variance, 1e-13);
    expect_relative(d.sigma_k, 0.01 * std::pow(5000, k / 9.0), 1e-13);
  }
  expect_relative(variance, 2500, 1e-13);
  EXPECT_EQ(ve.discretize(1, 1, IndexRounding::nearest).sigma_k, 0.01);
}

TEST(Discretize, SubVpIsEulerWithDdpmAlphas) {
  const auto subvp = named("subvp"), vp = named("vp");
  const double t = 0.4;
  const Discretization d = subvp->discretize(t, 1000);
  EXPECT_EQ(d.index, 400);
  EXPECT_DOUBLE_EQ(d.f, subvp->drift(t) / 1000);
  EXPECT_DOUBLE_EQ(d.G * d.G, subvp->diffusion2(t) / 1000);
  const Discretization ddpm = vp->discretize(t, 1000);
  EXPECT_DOUBLE_EQ(d.alpha_k, ddpm.alpha_k);
  expect_relative(d.alpha_bar_k, ddpm.alpha_bar_k, 1e-12);
}

TEST(Discretize, IndexRoundsOrTruncates) {
  const auto ve = named("ve");
  EXPECT_EQ(ve->discretize(0.4999, 11, IndexRounding::truncate).index, 4);
  EXPECT_EQ(ve->discretize(0.4999, 11, IndexRounding::nearest).index, 5);
  EXPECT_EQ(ve->discretize(1, 11, IndexRounding::truncate).index, 10);
  EXPECT_EQ(ve->discretize(0, 11, IndexRounding::truncate).index, 0);
  // In fp32, 0.7 * 10 is 7 (0.7f is below 0.7 but the product rounds up); in fp64 it is 7 as well.
  EXPECT_EQ(ve->discretize(0.7, 11, IndexRounding::truncate).index, 7);
  // fp32 rounds 1 - 2^-26 to 1, so truncation reaches the last level there.
  EXPECT_EQ(ve->discretize(1 - 0x1p-26, 11, IndexRounding::truncate).index, 10);
  EXPECT_EQ(ve->discretize(1 - 0x1p-22, 11, IndexRounding::truncate).index, 9);
}

TEST(Discretize, RefusesWhatDoesNotExist) {
  const auto vp = named("vp");
  EXPECT_THROW(vp->discretize(1, 20), ValueError);  // beta_k = 20 / 20
  EXPECT_NO_THROW(vp->discretize(1, 21));
  EXPECT_THROW(vp->discretize(0.5, 0), ValueError);
  EXPECT_THROW(vp->discretize(1.01, 100), ValueError);
  EXPECT_THROW(vp->discretize(-0.01, 100), ValueError);
  EXPECT_THROW(vp->discretize(std::nan(""), 100), ValueError);
}

TEST(NetworkConvention, LabelsAndScales) {
  const auto ve = named("ve"), vp = named("vp"), subvp = named("subvp");
  const double t = 0.3;
  EXPECT_EQ(ve->network_label(t, Labels::continuous, 10), ve->sigma(t));
  EXPECT_EQ(ve->network_label(t, Labels::discrete, 10), 6);  // round(0.7 * 9 = 6.3)
  EXPECT_EQ(ve->network_label(1, Labels::discrete, 10), 0);  // label 0 is the largest sigma
  EXPECT_EQ(ve->network_label(0, Labels::discrete, 10), 9);
  EXPECT_EQ(vp->network_label(t, Labels::continuous, 10), 999 * t);
  EXPECT_EQ(vp->network_label(t, Labels::discrete, 10), t * 9);
  EXPECT_EQ(subvp->network_label(t, Labels::continuous, 10), 999 * t);
  EXPECT_EQ(subvp->network_label(t, Labels::discrete, 10), 999 * t);

  EXPECT_EQ(ve->score_scale(t, Labels::continuous, 10), 1);
  EXPECT_EQ(ve->score_scale(t, Labels::discrete, 10), 1);
  EXPECT_EQ(vp->score_scale(t, Labels::continuous, 10), -1 / vp->sigma(t));
  EXPECT_EQ(subvp->score_scale(t, Labels::discrete, 10), -1 / subvp->sigma(t));
  const double alpha_bar_0 = 1 - 0.1 / 1000;
  expect_relative(vp->score_scale(0.0009, Labels::discrete, 1000, IndexRounding::truncate),
                  -1 / std::sqrt(1 - alpha_bar_0), 1e-12);
}

TEST(TimeGrid, UniformEndsAtEpsExactly) {
  for (int n : {1, 2, 3, 7, 1000}) {
    const TimeGrid grid = TimeGrid::uniform(1, 1e-3, n);
    ASSERT_EQ(grid.steps(), n);
    EXPECT_EQ(grid.t(0), 1);
    EXPECT_EQ(grid.t(n), 1e-3);
    for (int i = 0; i < n; ++i) {
      const TimeStep step = grid.step(i);
      EXPECT_EQ(step.index, i);
      EXPECT_EQ(step.steps, n);
      EXPECT_EQ(step.t, grid.t(i));
      EXPECT_EQ(step.next, grid.t(i + 1));
      EXPECT_NEAR(step.h, 0.999 / n, 1e-15);
      EXPECT_NEAR(step.t, 1 - 0.999 * i / n, 1e-15);
    }
  }
}

TEST(TimeGrid, SongPaperKeepsItsQuirk) {
  const TimeGrid grid = TimeGrid::song_paper(1, 1e-5, 1000);
  ASSERT_EQ(grid.steps(), 1000);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_NEAR(grid.step(i).t, 1 + i * (1e-5 - 1) / 999, 1e-15);
    EXPECT_EQ(grid.step(i).h, 1e-3);
  }
  EXPECT_EQ(grid.step(999).t, 1e-5);
  EXPECT_EQ(grid.step(998).next, 1e-5);
  EXPECT_EQ(grid.step(999).next, 0);
  EXPECT_EQ(TimeGrid::song_paper(1, 1e-5, 1).step(0).t, 1);
}

// Every level is visited once, as in the discrete chain, where eps is small enough.
TEST(TimeGrid, SongPaperVisitsEveryLevel) {
  const auto ve = named("ve");
  const TimeGrid grid = TimeGrid::song_paper(1, 1e-5, 1000);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(ve->discretize(grid.t(i), 1000).index, 999 - i);
  }
}

TEST(TimeGrid, RefusesEmptySpans) {
  EXPECT_THROW(TimeGrid::uniform(1, 1e-3, 0), ValueError);
  EXPECT_THROW(TimeGrid::uniform(1, 1, 10), ValueError);
  EXPECT_THROW(TimeGrid::song_paper(1, -1e-3, 10), ValueError);
  EXPECT_THROW(TimeGrid::uniform(1, 1e-3, 10).step(10), ValueError);
  EXPECT_THROW(TimeGrid::uniform(1, 1e-3, 10).step(-1), ValueError);
}

void expect_refused(const SdeConfig& config, const std::string& subject) {
  try {
    make_sde(config);
    ADD_FAILURE() << "accepted a bad " << subject;
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_value);
    EXPECT_EQ(error.subject(), subject);
  }
}

TEST(SdeConfig, ErrorsNameTheKey) {
  const double nan = std::nan("");
  expect_refused({.name = "vpp"}, "sde.name");
  expect_refused({.sigma_min = 0}, "sde.sigma_min");
  expect_refused({.sigma_min = nan}, "sde.sigma_min");
  expect_refused({.sigma_max = 0.01}, "sde.sigma_max");
  expect_refused({.sigma_max = nan}, "sde.sigma_max");
  expect_refused({.name = "vp", .beta_min = -1}, "sde.beta_min");
  expect_refused({.name = "vp", .beta_min = 0, .beta_max = 0}, "sde.beta_max");
  expect_refused({.name = "vp", .beta_min = 3, .beta_max = 2}, "sde.beta_max");
  expect_refused({.num_scales = 0}, "sde.num_scales");
}

TEST(SdeConfig, ReachesTheSde) {
  const auto ve = make_sde({.name = "ve", .sigma_min = 0.02, .sigma_max = 348});
  EXPECT_EQ(ve->name(), "ve");
  EXPECT_DOUBLE_EQ(ve->sigma(0), 0.02);
  EXPECT_DOUBLE_EQ(ve->sigma(1), 348);
  for (const char* name : {"vp", "subvp"}) {
    const auto sde = make_sde({.name = name, .beta_min = 0.2, .beta_max = 5});
    EXPECT_EQ(sde->name(), name);
    EXPECT_DOUBLE_EQ(sde->drift(0), -0.1);
    EXPECT_DOUBLE_EQ(sde->drift(1), -2.5);
  }
}

TEST(NearestName, FindsTypingErrors) {
  const std::string_view names[] = {"ve", "vp", "subvp"};
  EXPECT_EQ(nearest_name("sub_vp", names), "subvp");
  EXPECT_EQ(nearest_name("p", names), "vp");
  EXPECT_EQ(nearest_name("", names), "ve");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name_fix("sub-vp", names), "use subvp (the nearest) or one of: ve, vp, subvp");
}

/// A network of 1000 levels on a grid of its own: it is told levels that it was trained on, unless
/// the published interpolation is asked for.
TEST(Score, DiscreteNetworksAreToldTheirLevels) {
  const std::shared_ptr<const Sde> vp = make_sde({.name = "vp"});
  std::vector<float> told;
  const NetworkFn network = [&](const Tensor& x, const Tensor& labels) {
    told = labels.to_vector<float>();
    return x;
  };
  const Tensor x = Tensor::full({1, 2}, 1, DType::f32);
  const double t = 0.2504;  // level 250.15
  for (const IndexRounding rounding : {IndexRounding::nearest, IndexRounding::truncate}) {
    const Labelling how{.labels = Labels::discrete, .levels = 1000, .rounding = rounding};
    make_score(network, vp, how)(x, std::span(&t, 1));
    EXPECT_NEAR(told[0], rounding == IndexRounding::nearest ? 250 : 250.1496, 1e-4);
  }
}

}  // namespace
}  // namespace ito::sde
