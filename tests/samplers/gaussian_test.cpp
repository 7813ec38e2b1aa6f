// Samplers on data whose score is known: N(mu, s0^2 I). Every one-stage step maps mean and variance
// in closed form, so the moments of a discretised run are known exactly and the only error is that
// of finitely many samples.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/core/parallel.h"
#include "kernels/binary/op.h"
#include "kernels/unary/op.h"
#include "samplers/pc.h"
#include "sde/config.h"

namespace ito::samplers {
namespace {

constexpr double kMu = 0.4, kStd = 0.3;

/// score(x, t) = -(x - alpha mu) / (alpha^2 s0^2 + sigma^2).
sde::ScoreFn gaussian_score(std::shared_ptr<const sde::Sde> sde) {
  return [sde = std::move(sde)](const Tensor& x, std::span<const double> t) {
    const double a = sde->alpha(t[0]),
                 v = a * a * kStd * kStd + sde->sigma(t[0]) * sde->sigma(t[0]);
    return (-1 / v) * x + a * kMu / v;
  };
}

struct Moments {
  double mean, variance;
};

Moments moments_of(const Tensor& x) {
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(x.numel());
  for (const float v : x.span<float>()) sum += v;
  for (const float v : x.span<float>()) squares += (v - sum / n) * (v - sum / n);
  return {sum / n, squares / n};
}

Moments apply(Moments m, const sde::Sde& sde, double t, const StepCoef& c) {
  const double a = sde.alpha(t), v = a * a * kStd * kStd + sde.sigma(t) * sde.sigma(t);
  const double slope = c.x - c.score / v, shift = c.score * a * kMu / v;
  return {slope * m.mean + shift, slope * slope * m.variance + c.noise * c.noise};
}

/// Closed form of a predictor-only run with the options' grid.
Moments propagated(const sde::Sde& sde, const PcOptions& o) {
  Moments m{0, sde.prior_std() * sde.prior_std()};
  for (int i = 0; i < o.grid.steps(); ++i) {
    const sde::TimeStep step = o.grid.step(i);
    m = apply(m, sde, step.t, o.predictor.step(sde, step, o.predictor_options));
  }
  const double end = o.grid.t(o.grid.steps());
  if (o.denoise == Denoise::tweedie) m = apply(m, sde, end, tweedie(sde, end));
  return m;
}

std::vector<int64_t> indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

struct Case {
  const char* sde;
  const char* predictor;
};

class Predictors : public ::testing::TestWithParam<Case> {};

TEST_P(Predictors, MomentsMatchTheClosedForm) {
  const std::shared_ptr<const sde::Sde> sde =
      sde::make_sde({.name = GetParam().sde, .sigma_max = 10});
  const PcOptions o = pc_options({.predictor = GetParam().predictor, .steps = 40}, *sde);
  const auto samples = indices(20000);
  const NoiseSource noise{.seed = 3};
  const Tensor start = prior_sample(*sde, {1, 1, 4}, samples, noise);
  const SampleResult r = sample_pc(gaussian_score(sde), *sde, start, samples, o, noise);
  EXPECT_EQ(r.evaluations, 41);
  const Moments expected = propagated(*sde, o), got = moments_of(r.x);
  // Five standard errors of mean and variance over n normal values.
  const auto n = static_cast<double>(r.x.numel());
  EXPECT_NEAR(got.mean, expected.mean, 5 * std::sqrt(expected.variance / n));
  EXPECT_NEAR(got.variance, expected.variance, 5 * expected.variance * std::sqrt(2 / n));
}

TEST_P(Predictors, FineGridsReachTheData) {
  const std::shared_ptr<const sde::Sde> sde =
      sde::make_sde({.name = GetParam().sde, .sigma_max = 10});
  const auto at = [&](int steps) {
    return propagated(*sde, pc_options({.predictor = GetParam().predictor, .steps = steps}, *sde));
  };
  const Moments m = at(20000);
  // The run starts at mean 0, not alpha(T) mu; a deterministic one carries that to the end, scaled
  // by the ratio of the standard deviations.
  const double prior = kMu * kStd * sde->alpha(1) / sde->prior_std();
  EXPECT_NEAR(m.mean, kMu, 2e-3 + prior);
  EXPECT_NEAR(m.variance, kStd * kStd, 2e-3);
}

constexpr Case kCases[] = {
    {"ve", "euler_maruyama"},       {"ve", "reverse_diffusion"},     {"ve", "ancestral_sampling"},
    {"ve", "probability_flow"},     {"vp", "euler_maruyama"},        {"vp", "reverse_diffusion"},
    {"vp", "ancestral_sampling"},   {"vp", "probability_flow"},      {"subvp", "euler_maruyama"},
    {"subvp", "reverse_diffusion"}, {"subvp", "ancestral_sampling"}, {"subvp", "probability_flow"}};
INSTANTIATE_TEST_SUITE_P(All, Predictors, ::testing::ValuesIn(kCases), [](const auto& row) {
  return std::string(row.param.sde) + "_" + row.param.predictor;
});

/// Closed form of a run with Langevin correctors in high dimension: |z| / |s| tends to
/// 1 / sqrt(E s^2), and E s^2 follows from the moments of the state.
Moments propagated_with_corrector(const sde::Sde& sde, const PcOptions& o) {
  Moments m{0, sde.prior_std() * sde.prior_std()};
  for (int i = 0; i < o.grid.steps(); ++i) {
    const sde::TimeStep step = o.grid.step(i);
    const double a = sde.alpha(step.t),
                 v = a * a * kStd * kStd + sde.sigma(step.t) * sde.sigma(step.t);
    const double offset = m.mean - a * kMu, s2 = (m.variance + offset * offset) / (v * v);
    const double alpha = corrector_alpha(sde, step.t, step.steps);
    m = apply(m, sde, step.t, langevin_step(langevin_step_size(alpha, o.snr, 1, std::sqrt(s2))));
    m = apply(m, sde, step.t, o.predictor.step(sde, step, o.predictor_options));
  }
  const double end = o.grid.t(o.grid.steps());
  return apply(m, sde, end, tweedie(sde, end));
}

class Correctors : public ::testing::TestWithParam<const char*> {};

TEST_P(Correctors, MomentsMatchTheClosedForm) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = GetParam(), .sigma_max = 10});
  for (const char* norm : {"per_sample", "batch_mean", "sqrt_dim"}) {
    const PcOptions o = pc_options({.predictor = "reverse_diffusion",
                                    .corrector = "langevin",
                                    .steps = 60,
                                    .snr = 0.1,
                                    .snr_norm = norm},
                                   *sde);
    const auto samples = indices(100);
    const NoiseSource noise{.seed = 4};
    const Tensor start = prior_sample(*sde, {16, 16, 3}, samples, noise);
    const SampleResult r = sample_pc(gaussian_score(sde), *sde, start, samples, o, noise);
    EXPECT_EQ(r.evaluations, 121);
    const Moments expected = propagated_with_corrector(*sde, o), got = moments_of(r.x);
    // Five standard errors, and the relative 1/d by which norms of d = 768 values deviate, times
    // the few steps over which the state remembers it.
    const auto n = static_cast<double>(r.x.numel());
    EXPECT_NEAR(got.mean, expected.mean, 5 * std::sqrt(expected.variance / n)) << norm;
    EXPECT_NEAR(got.variance, expected.variance,
                expected.variance * (5 * std::sqrt(2 / n) + 4.0 / 768))
        << norm;
  }
}
INSTANTIATE_TEST_SUITE_P(All, Correctors, ::testing::Values("ve", "vp", "subvp"));

TEST(Sampling, ASampleDependsOnItsIndexAloneBitForBit) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = "ve", .sigma_max = 10});
  const PcOptions o = pc_options({.corrector = "langevin", .steps = 20}, *sde);
  const NoiseSource noise{.seed = 9};
  const auto run = [&](const std::vector<int64_t>& samples) {
    const Tensor start = prior_sample(*sde, {3, 3, 1}, samples, noise);
    return sample_pc(gaussian_score(sde), *sde, start, samples, o, noise).x.to_vector<float>();
  };
  const auto all = run({5, 1000000, 7, 3});
  const auto one = run({7});
  EXPECT_EQ(std::memcmp(one.data(), all.data() + 2 * 9, 9 * sizeof(float)), 0);
  set_num_threads(1);
  EXPECT_EQ(run({5, 1000000, 7, 3}), all);
  set_num_threads(0);
}

TEST(Sampling, RecordedNoiseReplacesTheGenerated) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = "vp"});
  const PcOptions o = reference_pc_options({.predictor = "euler_maruyama", .steps = 10}, *sde);
  int draws = 0;
  NoiseSource noise;
  noise.recorded = [&] {
    ++draws;
    return Tensor::zeros({2, 1, 1, 2}, DType::f32);
  };
  const Tensor start = prior_sample(*sde, {1, 1, 2}, {0, 1}, noise);
  const SampleResult r = sample_pc(gaussian_score(sde), *sde, start, {0, 1}, o, noise);
  EXPECT_EQ(draws, 11);  // the prior, then one per step
  EXPECT_EQ(r.evaluations, 10);
}

TEST(Sampling, AnObserverSeesEveryStepAndMayStop) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = "vp"});
  const PcOptions o = pc_options({.steps = 10}, *sde);
  int seen = 0;
  const Observer observer = [&](const StepView& v) {
    EXPECT_EQ(v.step, seen++);
    return seen == 4 ? Verdict::stop : Verdict::go_on;
  };
  const Tensor start = Tensor::zeros({1, 1, 1, 2}, DType::f32);
  const SampleResult r = sample_pc(gaussian_score(sde), *sde, start, {0}, o, {}, observer);
  EXPECT_FALSE(r.finished);
  EXPECT_EQ(r.evaluations, 4);
}

TEST(Sampling, ANonFiniteResultIsReported) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = "vp"});
  const sde::ScoreFn broken = [](const Tensor& x, std::span<const double>) {
    return ops::log(0.0 * x - 1.0);
  };
  const Tensor start = Tensor::zeros({1, 1, 1, 2}, DType::f32);
  try {
    sample_pc(broken, *sde, start, {0}, pc_options({.steps = 2}, *sde), {});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_finite);
  }
}

TEST(SamplingConfig, WrongNamesAreAnsweredWithTheNearest) {
  const std::shared_ptr<const sde::Sde> sde = sde::make_sde({.name = "vp"});
  try {
    pc_options({.predictor = "euler_maruyma"}, *sde);
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("use euler_maruyama"), std::string::npos) << e.what();
  }
  EXPECT_THROW(pc_options({.corrector = "langvin"}, *sde), UserError);
  EXPECT_THROW(pc_options({.steps = 0}, *sde), UserError);
  EXPECT_THROW(pc_options({.eps = 1}, *sde), UserError);
}

}  // namespace
}  // namespace ito::samplers
