// The ODE solvers: orders, step control, and the probability flow of Gaussian data, whose solution
// is known.
#include "samplers/ode/probability_flow.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/unary/op.h"
#include "samplers/latent/latent.h"
#include "tests/samplers/gaussian_data.h"

namespace ito::samplers {
namespace {

Tensor row(std::vector<double> values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size()), 1});
}

/// dy/dt = cos(t) y + t, without a closed form that a rule could hit by luck.
Tensor swing(const Tensor& y, std::span<const double> t) {
  std::vector<double> c(t.size());
  for (size_t n = 0; n < t.size(); ++n) c[n] = std::cos(t[n]);
  return sde::over_samples(sde::per_sample(c, y), y) * y +
         sde::over_samples(sde::per_sample(t, y), y);
}

double solve(const char* rule, int steps) {
  return integrate(
             swing, 0, 2, row({1}),
             {.tableau = &tableau_by_name(rule), .control = StepControl::fixed, .steps = steps})
      .y.item();
}

TEST(Ode, FixedStepsConvergeAtTheirOrder) {
  const double exact = solve("dopri5", 4000);
  for (const Tableau& rule : tableaus()) {
    const int least = rule.order >= 4 ? 8 : 64;
    double previous = 0;
    for (int k = 0; k < 4; ++k) {
      const double error = std::abs(solve(rule.name.data(), least << k) - exact);
      if (k == 3) {
        EXPECT_NEAR(std::log2(previous / error), rule.order, 0.2) << rule.name;
      }
      previous = error;
    }
  }
}

TEST(Ode, TableausAreConsistent) {
  for (const Tableau& rule : tableaus()) {
    SCOPED_TRACE(rule.name);
    EXPECT_NEAR(std::accumulate(rule.b.begin(), rule.b.end(), 0.0), 1, 1e-15);
    EXPECT_NEAR(std::accumulate(rule.error.begin(), rule.error.end(), 0.0), 0, 1e-15);
    for (size_t i = 0; i < rule.stages(); ++i) {
      EXPECT_NEAR(std::accumulate(rule.a[i].begin(), rule.a[i].end(), 0.0), rule.c[i], 1e-14);
    }
  }
}

TEST(Ode, ErrorsFollowTheTolerance) {
  const double exact = solve("dopri5", 4000);
  for (const StepControl control : {StepControl::per_sample, StepControl::whole_batch}) {
    double previous = 1;
    for (const double tolerance : {1e-4, 1e-6, 1e-8, 1e-10}) {
      const OdeResult r = integrate(swing, 0, 2, row({1}),
                                    {.control = control, .rtol = tolerance, .atol = tolerance});
      const double error = std::abs(r.y.item() - exact);
      EXPECT_LT(error, 30 * tolerance);
      EXPECT_LT(error, previous);
      previous = error;
    }
  }
}

/// Rows that go their own way: each as alone, to the last bit, however stiff the others are.
TEST(Ode, PerSampleControlIgnoresTheBatch) {
  const OdeRhs decay = [](const Tensor& y, std::span<const double>) {
    return -(y * y * y);  // the larger y, the faster
  };
  const OdeResult both = integrate(decay, 0, 3, row({0.2, 30}), {});
  for (const int n : {0, 1}) {
    const OdeResult alone = integrate(decay, 0, 3, row({n == 0 ? 0.2 : 30.0}), {});
    EXPECT_EQ(both.y.data<double>()[n], alone.y.item());
    EXPECT_EQ(both.evaluations[static_cast<size_t>(n)], alone.evaluations[0]);
    const double y0 = n == 0 ? 0.2 : 30;
    EXPECT_NEAR(alone.y.item(), y0 / std::sqrt(1 + 2 * y0 * y0 * 3), 1e-4);
  }
  EXPECT_LT(both.evaluations[0], both.evaluations[1]);
  const OdeResult whole =
      integrate(decay, 0, 3, row({0.2, 30}), {.control = StepControl::whole_batch});
  EXPECT_NE(whole.y.data<double>()[0], both.y.data<double>()[0]);
}

TEST(Ode, CountsEvaluationsAndStops) {
  int64_t calls = 0;
  const OdeRhs counting = [&](const Tensor& y, std::span<const double> t) {
    ++calls;
    return swing(y, t);
  };
  const OdeResult r = integrate(counting, 0, 2, row({1}), {});
  EXPECT_EQ(r.most_evaluations(), calls);
  EXPECT_EQ(r.times.front(), 0);
  EXPECT_EQ(r.times.back(), 2);
  calls = 0;
  int seen = 0;
  const OdeResult stopped =
      integrate(counting, 0, 2, row({1}), {}, [&](const OdeView&) { return ++seen < 2; });
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(seen, 2);
}

TEST(Ode, RefusesWhatDoesNotWork) {
  const OdeRhs blows_up = [](const Tensor& y, std::span<const double>) { return y * y; };
  EXPECT_THROW(integrate(blows_up, 0, 2, row({1}), {}), UserError);
  const OdeRhs nan = [](const Tensor& y, std::span<const double>) { return y * NAN; };
  EXPECT_THROW(integrate(nan, 0, 2, row({1}), {}), UserError);
  EXPECT_THROW(integrate(swing, 1, 1, row({1}), {}), ValueError);
  EXPECT_THROW(integrate(swing, 0, 1, row({1}), {.tableau = &tableau_by_name("rk4")}), ValueError);
  EXPECT_THROW(tableau_by_name("dopri"), UserError);
}

class Flow : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const sde::Sde> sde_ = sde::make_sde({.name = GetParam(), .sigma_max = 10});
};

/// The flow of N(mu, s0^2) carries alpha mu + s(t) z to mu' + s(t') z, s^2 = alpha^2 s0^2 +
/// sigma^2: the marginals of the SDE, which is what makes it the probability flow.
TEST_P(Flow, CarriesTheMarginals) {
  const auto score = gaussian_score(sde_);
  const double T = sde_->T(), eps = 1e-3;
  const auto place = [&](double t, double z) {
    const double a = sde_->alpha(t);
    return a * kMu + std::sqrt(a * a * kStd * kStd + std::pow(sde_->sigma(t), 2)) * z;
  };
  for (const StepControl control : {StepControl::per_sample, StepControl::whole_batch}) {
    const FlowOptions o{.solver = {.control = control, .rtol = 1e-9, .atol = 1e-9},
                        .eps = eps,
                        .denoise = Denoise::none};
    const SampleResult r = sample_ode(score, *sde_, row({place(T, -1.3), place(T, 0.4)}), o);
    EXPECT_NEAR(r.x.data<double>()[0], place(eps, -1.3), 1e-7);
    EXPECT_NEAR(r.x.data<double>()[1], place(eps, 0.4), 1e-7);
  }
}

/// In fp32, where every rounding shows.
TEST_P(Flow, ASampleDependsOnItselfAloneBitForBit) {
  const auto score = gaussian_score(sde_);
  const std::vector<float> z{0.3f, -1.7f, 0.9f};
  const FlowOptions o{.eps = 1e-3};
  const SampleResult all = sample_ode(score, *sde_, Tensor::from(z, {3, 1}), o);
  for (size_t n = 0; n < z.size(); ++n) {
    const Tensor alone = Tensor::from(std::vector<float>{z[n]}, {1, 1});
    EXPECT_EQ(sample_ode(score, *sde_, alone, o).x.item(), all.x.data<float>()[n]);
  }
}

TEST_P(Flow, DecodingUndoesEncoding) {
  const auto score = gaussian_score(sde_);
  for (const double tolerance : {1e-5, 1e-7, 1e-9}) {
    const FlowOptions o{.solver = {.rtol = tolerance, .atol = tolerance}, .eps = 1e-3};
    const Tensor x = row({0.1, 0.9, -0.4, 0.45});
    const SampleResult code = encode(score, *sde_, x, o);
    const SampleResult back = decode(score, *sde_, code.x, o);
    for (const double e : root_mean_square_difference(back.x, x)) EXPECT_LT(e, 10 * tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Flow, ::testing::Values("ve", "vp", "subvp"));

TEST(Latent, SphericalInterpolation) {
  const std::vector<float> a{3, 0, 0}, b{0, 0, 2};
  const Tensor z = spherical_interpolation(Tensor::from(a, {3}), Tensor::from(b, {3}), {0, 0.5, 1});
  EXPECT_EQ(z.shape(), (Shape{3, 3}));
  EXPECT_NEAR(z.data<float>()[0], 3, 1e-6);
  EXPECT_NEAR(z.data<float>()[3], 3 * std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(z.data<float>()[5], 2 * std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(z.data<float>()[8], 2, 1e-6);
  // Parallel codes: a straight line.
  const Tensor line = spherical_interpolation(Tensor::from(a, {3}), Tensor::from(a, {3}), {0.25});
  EXPECT_NEAR(line.data<float>()[0], 3, 1e-6);
}

TEST(Latent, ComparesCodesWithAShuffledBaseline) {
  const Tensor a = Tensor::from(std::vector<double>{1, 2, -1, 0, 3, -2}, {3, 2});
  const Tensor b = 2.0 * a + 1.0;
  const CodeComparison c = compare_codes(a, b);
  EXPECT_NEAR(c.correlation, 1, 1e-12);
  EXPECT_LT(c.shuffled_correlation, 0.5);
  EXPECT_NEAR(c.difference, (2 + 3 + 0 + 1 + 4 + 1) / 6.0, 1e-12);
}

}  // namespace
}  // namespace ito::samplers
