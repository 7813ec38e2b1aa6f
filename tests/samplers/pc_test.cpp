// Predictor-corrector runs with recorded noise in fp64 against a recursion written out by hand, and
// the DDIM predictor.
#include "samplers/pc.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/unary/op.h"
#include "sde/config.h"
#include "sde/vp.h"

namespace ito::samplers {
namespace {

constexpr double kMu = 0.4;
constexpr int64_t kSamples = 3, kSize = 5;

/// Of data N(mu, s0^2 I).
struct Gaussian {
  std::shared_ptr<const sde::Sde> sde;
  double s0 = 0.3;

  double variance(double t) const {
    return std::pow(sde->alpha(t) * s0, 2) + std::pow(sde->sigma(t), 2);
  }
  double at(double x, double t) const { return -(x - sde->alpha(t) * kMu) / variance(t); }
  sde::ScoreFn score() const {
    return [g = *this](const Tensor& x, std::span<const double> t) {
      return (x - g.sde->alpha(t[0]) * kMu) * (-1 / g.variance(t[0]));
    };
  }
};

Gaussian gaussian(const char* name, double s0 = 0.3) {
  return {sde::make_sde({.name = name, .sigma_max = 10}), s0};
}

Tensor column(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size()), 1, 1, 1});
}

/// Draw k of some fixed noise: element i of sample n.
double draw(int k, int64_t n, int64_t i) {
  return std::sin(1.0 + 3.7 * k + 1.3 * n + 0.71 * i * i);
}

Tensor draws_of(int k) {
  std::vector<double> list;
  for (int64_t n = 0; n < kSamples; ++n) {
    for (int64_t i = 0; i < kSize; ++i) list.push_back(draw(k, n, i));
  }
  return Tensor::from(list, {kSamples, 1, kSize, 1});
}

std::vector<int64_t> indices(int64_t n) {
  std::vector<int64_t> list;
  for (int64_t i = 0; i < n; ++i) list.push_back(i);
  return list;
}

SampleResult run(const Gaussian& g, const PcOptions& o, const Tensor& start) {
  int used = 0;
  NoiseSource noise;
  noise.recorded = [&] { return draws_of(++used); };
  return sample_pc(g.score(), *g.sde, start, indices(start.size(0)), o, noise);
}

/// One sample, with the rules of Euler-Maruyama, Langevin and ALD written out.
class ByHand {
 public:
  ByHand(const Gaussian& g, const PcOptions& o, int64_t n) : g_(g), o_(o), sample_(n) {
    for (int64_t i = 0; i < kSize; ++i) x_.push_back(draw(0, n, i));
  }

  std::vector<double> result() {
    for (int i = 0; i < o_.grid.steps(); ++i) {
      const double t = o_.grid.t(i), next = o_.grid.t(i + 1);
      if (o_.order == Order::corrector_first) correct(t);
      predict(t, t - next);
      if (o_.order == Order::predictor_first) correct(next);
    }
    return x_;
  }

 private:
  void predict(double t, double h) {
    const double f = g_.sde->drift(t), g2 = g_.sde->diffusion2(t);
    ++draw_;
    for (int64_t i = 0; i < kSize; ++i) {
      double& x = x_[static_cast<size_t>(i)];
      x = x - (f * x - g2 * g_.at(x, t)) * h + std::sqrt(g2 * h) * draw(draw_, sample_, i);
    }
  }
  void correct(double t) {
    for (int j = 0; j < o_.corrector_steps; ++j) {
      ++draw_;
      double z2 = 0, s2 = 0;
      for (int64_t i = 0; i < kSize; ++i) {
        z2 += std::pow(draw(draw_, sample_, i), 2);
        s2 += std::pow(g_.at(x_[static_cast<size_t>(i)], t), 2);
      }
      const double size =
          o_.corrector == Corrector::ald ? g_.sde->sigma(t) : std::sqrt(z2) / std::sqrt(s2);
      const double e = 2 * alpha(t) * std::pow(o_.snr * size, 2);
      for (int64_t i = 0; i < kSize; ++i) {
        double& x = x_[static_cast<size_t>(i)];
        x = x + e * g_.at(x, t) + std::sqrt(2 * e) * draw(draw_, sample_, i);
      }
    }
  }
  /// 1 - beta_k, or the product of these up to k, at the nearest level k.
  double alpha(double t) const {
    if (g_.sde->name() == "ve") return 1;
    const sde::VpConfig betas;
    const int levels = o_.grid.steps(), last = static_cast<int>(std::lround(t * (levels - 1)));
    double product = 1;
    for (int k = 0; k <= last; ++k) product *= 1 - betas.table(k, levels);
    return o_.alpha == CorrectorAlpha::cumulative ? product : 1 - betas.table(last, levels);
  }

  const Gaussian& g_;
  const PcOptions& o_;
  const int64_t sample_;
  std::vector<double> x_;
  int draw_ = 0;
};

struct Mix {
  const char *sde, *corrector, *order, *alpha;
};

class PredictorCorrector : public ::testing::TestWithParam<Mix> {};

TEST_P(PredictorCorrector, FollowsTheAlgorithm) {
  const Mix& mix = GetParam();
  const Gaussian g = gaussian(mix.sde);
  const PcOptions o = pc_options({.predictor = "euler_maruyama",
                                  .corrector = mix.corrector,
                                  .steps = 25,
                                  .snr = 0.13,
                                  .corrector_steps = 2,
                                  .denoise = "none",
                                  .order = mix.order,
                                  .corrector_alpha = mix.alpha},
                                 *g.sde);
  const SampleResult r = run(g, o, draws_of(0));
  EXPECT_EQ(r.evaluations, 25 * 3);
  for (int64_t n = 0; n < kSamples; ++n) {
    const std::vector<double> expected = ByHand(g, o, n).result();
    for (int64_t i = 0; i < kSize; ++i) {
      const double got = r.x.span<double>()[static_cast<size_t>(n * kSize + i)];
      EXPECT_NEAR(got, expected[static_cast<size_t>(i)], 1e-10) << n << " " << i;
    }
  }
}

constexpr Mix kMixes[] = {{"ve", "langevin", "corrector_first", "per_step"},
                          {"ve", "ald", "predictor_first", "per_step"},
                          {"vp", "langevin", "predictor_first", "per_step"},
                          {"vp", "ald", "corrector_first", "cumulative"},
                          {"subvp", "langevin", "corrector_first", "cumulative"},
                          {"subvp", "ald", "predictor_first", "per_step"}};
INSTANTIATE_TEST_SUITE_P(All, PredictorCorrector, ::testing::ValuesIn(kMixes), [](const auto& row) {
  return std::string(row.param.sde) + "_" + row.param.corrector + "_" + row.param.order;
});

TEST(PredictorFirst, WithoutCorrectionsTheMeanIsThePredictors) {
  const Gaussian g = gaussian("vp");
  SamplingConfig config{.steps = 10, .denoise = "mean"};
  const auto with = [&](const char* order) {
    config.order = order;
    return run(g, pc_options(config, *g.sde), draws_of(0)).x.to_vector<double>();
  };
  EXPECT_EQ(with("predictor_first"), with("corrector_first"));
}

TEST(PredictorFirst, ACorrectionWhereThereIsNoNoiseIsRefused) {
  const Gaussian g = gaussian("vp");
  SamplingConfig config{.corrector = "langevin", .steps = 30, .order = "predictor_first"};
  try {
    run(g, reference_pc_options(config, *g.sde), draws_of(0));
    FAIL();
  } catch (const UserError& e) {
    EXPECT_EQ(e.code(), ErrorCode::bad_combination);
  }
}

TEST(CorrectorOnly, CountsItsEvaluationsAndStaysAtItsTimes) {
  const Gaussian g = gaussian("ve");
  SamplingConfig config{.predictor = "none", .corrector = "ald", .steps = 7, .corrector_steps = 2};
  for (const char* order : {"corrector_first", "predictor_first"}) {
    config.order = order;
    std::vector<double> times;
    const sde::ScoreFn score = [&](const Tensor& x, std::span<const double> t) {
      times.push_back(t[0]);
      return g.score()(x, t);
    };
    const PcOptions o = pc_options(config, *g.sde);
    EXPECT_EQ(sample_pc(score, *g.sde, draws_of(0), indices(kSamples), o, {}).evaluations, 15);
    for (size_t i = 0; i < 14; ++i) EXPECT_EQ(times[i], o.grid.t(static_cast<int>(i / 2)));
    EXPECT_EQ(times[14], o.grid.t(6));  // Tweedie, at the last of them
  }
}

TEST(Updates, AreSeenInTheOrderTheyHappen) {
  const Gaussian g = gaussian("ve");
  PcOptions o = pc_options({.corrector = "ald", .steps = 3}, *g.sde);
  std::vector<UpdateView::Kind> seen;
  o.on_update = [&](const UpdateView& v) { seen.push_back(v.kind); };
  run(g, o, draws_of(0));
  using enum UpdateView::Kind;
  const std::vector<UpdateView::Kind> expected{corrector, predictor, corrector,
                                               predictor, corrector, predictor};
  EXPECT_EQ(seen, expected);
}

class Ddim : public ::testing::TestWithParam<const char*> {};

TEST_P(Ddim, WithFullNoiseIsAncestralSamplingWithThePosteriorVariance) {
  const Gaussian g = gaussian(GetParam());
  const sde::TimeGrid grid = sde::TimeGrid::uniform(1, 1e-3, 40);
  for (const StepRule rule : {StepRule::exact, StepRule::table}) {
    if (rule == StepRule::table && g.sde->name() == "subvp") continue;  // no closed chain
    const PredictorOptions o{.rule = rule, .variance = AncestralVariance::posterior, .eta = 1};
    for (int i = 0; i < grid.steps(); ++i) {
      const StepCoef a = ancestral_sampling(*g.sde, grid.step(i), o),
                     d = ddim(*g.sde, grid.step(i), o);
      EXPECT_DOUBLE_EQ(a.x, d.x);
      EXPECT_NEAR(a.score, d.score, 1e-9 * std::abs(a.score) + 1e-13);
      EXPECT_DOUBLE_EQ(a.noise, d.noise);
    }
  }
}

TEST_P(Ddim, WithoutNoiseSolvesTheOdeOfASinglePointExactly) {
  const Gaussian g = gaussian(GetParam(), 0);
  const PcOptions o =
      pc_options({.predictor = "ddim", .steps = 3, .denoise = "none", .eps = 0.01}, *g.sde);
  const double x_T = 2.5, a_T = g.sde->alpha(1), a = g.sde->alpha(0.01);
  const double noise = (x_T - a_T * kMu) / g.sde->sigma(1);
  const SampleResult r = sample_pc(g.score(), *g.sde, column({x_T}), {0}, o, {});
  EXPECT_NEAR(r.x.item(), a * kMu + g.sde->sigma(0.01) * noise, 1e-10);
}

TEST_P(Ddim, ConvergesWithOrderOne) {
  // The ODE keeps (x - alpha mu) / sqrt(variance) of Gaussian data.
  const Gaussian g = gaussian(GetParam());
  const double x_T = 2.5 * g.sde->prior_std(), eps = 0.05;
  const double quantile = (x_T - g.sde->alpha(1) * kMu) / std::sqrt(g.variance(1));
  const double exact = g.sde->alpha(eps) * kMu + std::sqrt(g.variance(eps)) * quantile;
  std::vector<double> errors;
  for (const int steps : {200, 400, 800, 1600}) {
    const PcOptions o =
        pc_options({.predictor = "ddim", .steps = steps, .denoise = "none", .eps = eps}, *g.sde);
    errors.push_back(
        std::abs(sample_pc(g.score(), *g.sde, column({x_T}), {0}, o, {}).x.item() - exact));
  }
  for (size_t i = 1; i < errors.size(); ++i)
    EXPECT_NEAR(std::log2(errors[i - 1] / errors[i]), 1, 0.2);
}

TEST_P(Ddim, AnyNoiseKeepsTheVarianceGivenTheData) {
  // With the score of a single point, x' has mean alpha mu and variance sigma^2 whatever eta is.
  const Gaussian g = gaussian(GetParam(), 0);
  const sde::TimeStep step = sde::TimeGrid::uniform(1, 1e-3, 10).step(4);
  for (const double eta : {0.0, 0.3, 1.0}) {
    const StepCoef c = ddim(*g.sde, step, {.eta = eta});
    const double slope = c.x - c.score / g.variance(step.t);
    const double variance = std::pow(slope * g.sde->sigma(step.t), 2) + std::pow(c.noise, 2);
    EXPECT_NEAR(variance / std::pow(g.sde->sigma(step.next), 2), 1, 1e-12) << eta;
    EXPECT_EQ(c.noise > 0, eta > 0);
  }
}
INSTANTIATE_TEST_SUITE_P(All, Ddim, ::testing::Values("ve", "vp", "subvp"));

TEST(PcConfig, NamesReachTheOptions) {
  const Gaussian g = gaussian("vp");
  const PcOptions o = pc_options({.predictor = "ddim",
                                  .order = "predictor_first",
                                  .corrector_alpha = "cumulative",
                                  .ancestral_variance = "forward",
                                  .eta = 0.5},
                                 *g.sde);
  EXPECT_EQ(o.order, Order::predictor_first);
  EXPECT_EQ(o.alpha, CorrectorAlpha::cumulative);
  EXPECT_EQ(o.predictor_options.variance, AncestralVariance::forward);
  EXPECT_EQ(o.predictor_options.eta, 0.5);
  EXPECT_THROW(pc_options({.order = "both"}, *g.sde), UserError);
  EXPECT_THROW(pc_options({.corrector_alpha = "x"}, *g.sde), UserError);
  EXPECT_THROW(pc_options({.ancestral_variance = "x"}, *g.sde), UserError);
  EXPECT_THROW(pc_options({.eta = 1.5}, *g.sde), UserError);
}

}  // namespace
}  // namespace ito::samplers
