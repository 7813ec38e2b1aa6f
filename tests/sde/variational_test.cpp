// The variational bound of diffusion chains against definitions that share no formula with it.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/concat/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "sde/config.h"
#include "sde/objectives/step_resampler.h"
#include "sde/objectives/variational.h"

namespace ito::sde {
namespace {

constexpr NoiseKey kNoise{.seed = 5, .purpose = Purpose::forward_noise};

Tensor indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return Tensor::from(list, {count});
}

Tensor one(double value) { return Tensor::from(std::vector<double>{value}, {1, 1}); }

double density(double x, double mean, double variance) {
  return std::exp(-0.5 * (x - mean) * (x - mean) / variance) /
         std::sqrt(2 * std::numbers::pi * variance);
}

/// Trapezoids over the line, which is exact to rounding for smooth functions that vanish outside.
double integral(const std::function<double(double)>& f, double low, double high) {
  const int n = 20000;
  double sum = 0;
  for (int i = 0; i <= n; ++i) sum += f(low + (high - low) * i / n);
  return sum * (high - low) / n;
}

TEST(DiffusionChain, PosteriorsAreBayesRule) {
  const auto chain = DiffusionChain::of(*make_sde({.name = "vp"}), 100);
  const double x0 = 0.4, xi = -0.3;
  for (const int i : {1, 5, 50, 99}) {
    const auto& s = chain.at(i);
    const auto joint = [&](double x) {  // q(x_i | x_{i-1}) q(x_{i-1} | x_0)
      return density(xi, std::sqrt(1 - s.beta) * x, s.beta) *
             density(x, std::sqrt(s.alpha_bar_prev) * x0, 1 - s.alpha_bar_prev);
    };
    const double mass = integral(joint, -12, 12);
    const double mean = integral([&](double x) { return x * joint(x); }, -12, 12) / mass;
    const double variance =
        integral([&](double x) { return (x - mean) * (x - mean) * joint(x); }, -12, 12) / mass;
    EXPECT_NEAR(s.from_x0 * x0 + s.from_xi * xi, mean, 1e-9);
    EXPECT_NEAR(s.posterior_variance, variance, 1e-9);
    EXPECT_NEAR(mass, density(xi, std::sqrt(s.alpha_bar) * x0, 1 - s.alpha_bar), 1e-9);
  }
  EXPECT_EQ(chain.log_posterior_variance(0), chain.log_posterior_variance(1));
  EXPECT_THROW(DiffusionChain::of(*make_sde({.name = "ve"}), 10), UserError);
  EXPECT_THROW(DiffusionChain(std::vector{0.5, 1.0}), ValueError);
}

TEST(DiffusionChain, CosineAndRespacing) {
  const auto chain = DiffusionChain::cosine(50);
  const auto f = [](double t) {
    return std::pow(std::cos(0.5 * std::numbers::pi * (t + 0.008) / 1.008), 2);
  };
  for (int i = 0; i < 49; ++i) {  // the last step is clipped
    EXPECT_NEAR(chain.at(i).alpha_bar, f((i + 1) / 50.0) / f(0), 1e-13);
  }
  EXPECT_EQ(chain.at(49).beta, 0.999);
  const auto kept = evenly_spaced_steps(50, 8);
  EXPECT_EQ(kept.front(), 0);
  EXPECT_EQ(kept.back(), 49);
  const auto short_chain = chain.respaced(kept);
  ASSERT_EQ(short_chain.levels(), 8);
  for (int j = 0; j < 8; ++j) {
    const double whole = chain.at(kept[static_cast<size_t>(j)]).alpha_bar;
    EXPECT_NEAR(short_chain.at(j).alpha_bar, whole, 1e-14);
  }
  EXPECT_THROW(chain.respaced(std::vector{3, 3}), ValueError);
  EXPECT_THROW(evenly_spaced_steps(5, 6), ValueError);
}

TEST(Variational, KlOfNormalsIsItsIntegral) {
  const double a = 0.3, va = 0.5, b = -0.4, vb = 0.9;
  const double expected = integral(
      [&](double x) {
        const double p = density(x, a, va), q = density(x, b, vb);
        return p > 0 ? p * std::log(p / q) : 0;
      },
      -10, 10);
  EXPECT_NEAR(normal_kl(one(a), one(std::log(va)), one(b), one(std::log(vb))).item(), expected,
              1e-9);
}

TEST(Variational, TheDecoderIsADistributionOverTheValuesOfTheData) {
  for (const int bits : {1, 3, 5, 8}) {
    for (const double log_variance : {-9.0, -4.0, 1.0}) {
      const double mean = 0.37, sd = std::exp(0.5 * log_variance);
      const int count = 1 << bits;
      double sum = 0, worst = 0;
      for (int k = 0; k < count; ++k) {
        const double x = 2.0 * k / (count - 1) - 1, half = 1.0 / (count - 1);
        const double p = std::exp(-decoder_nll(one(x), one(mean), one(log_variance), bits).item());
        const auto cdf = [&](double y) {
          return 0.5 * std::erfc((mean - y) / (sd * std::numbers::sqrt2));
        };
        const double above = k + 1 == count ? 1 : cdf(x + half), below = k == 0 ? 0 : cdf(x - half);
        worst = std::max(worst, std::abs(p - (above - below)));
        sum += p;
      }
      EXPECT_NEAR(sum, 1, 1e-12) << bits << " bits, log variance " << log_variance;
      EXPECT_LT(worst, 2 * 3.2e-4);  // twice the error of the distribution function
    }
  }
}

TEST(Variational, TheDecoderStaysFiniteFarOut) {
  for (const double x : {-1.0, 0.0, 1.0}) {
    Tensor mean = Tensor::full({1, 1}, 40, DType::f32);
    mean.set_requires_grad();
    const Tensor nll = decoder_nll(Tensor::full({1, 1}, x, DType::f32), mean,
                                   Tensor::full({1, 1}, -2, DType::f32), 8);
    EXPECT_TRUE(std::isfinite(nll.item())) << x;
    EXPECT_TRUE(std::isfinite(grad(ops::sum(nll), {mean})[0].item())) << x;
  }
}

/// One value of data, a network that predicts c x: every term by hand.
TEST(Variational, TheBoundIsTheSumOfItsTerms) {
  const auto chain = DiffusionChain::of(*make_sde({.name = "vp"}), 30);
  const double x0 = -0.2, c = 0.3;
  const NetworkFn network = [&](const Tensor& x, const Tensor&) { return c * x; };
  for (const auto variance : {ReverseVariance::posterior, ReverseVariance::beta}) {
    const VariationalOptions options{.variance = variance, .bits = 5};
    double expected = 0, mean_of_losses = 0;
    for (int i = 0; i < 30; ++i) {
      const auto& s = chain.at(i);
      NoiseKey key = kNoise;
      key.step += static_cast<uint32_t>(i);
      const double z = normal_at(key, 0, 0);
      const double a = std::sqrt(s.alpha_bar), sd = std::sqrt(1 - s.alpha_bar);
      const double xi = a * x0 + sd * z, x0_hat = (xi - sd * c * xi) / a;
      // p's mean in the form of Ho et al., eq. 11: (x_i - beta / sd eps) / sqrt(1 - beta).
      const double mean = (xi - s.beta / sd * c * xi) / std::sqrt(1 - s.beta);
      EXPECT_NEAR(s.from_x0 * x0_hat + s.from_xi * xi, mean, 1e-12);
      const double true_mean = s.from_x0 * x0 + s.from_xi * xi;
      const double true_variance = std::exp(chain.log_posterior_variance(i));
      const double v = variance == ReverseVariance::posterior || i == 0 ? true_variance : s.beta;
      expected += i == 0 ? decoder_nll(one(x0), one(mean), one(std::log(v)), 5).item()
                         : 0.5 * (std::log(v / true_variance) - 1 + true_variance / v +
                                  (true_mean - mean) * (true_mean - mean) / v);
      mean_of_losses +=
          variational_losses(network, chain, one(x0), std::vector{i}, indices(1), key, options)
              .item() /
          30;
    }
    const double abar = chain.at(29).alpha_bar;
    const double prior = 0.5 * (-std::log(1 - abar) - 1 + (1 - abar) + abar * x0 * x0);
    EXPECT_NEAR(prior_kl(chain, one(x0)).item(), prior, 1e-12);
    const double bound =
        variational_bound(network, chain, one(x0), indices(1), kNoise, options).item();
    EXPECT_NEAR(bound, prior + expected, 1e-6 * bound);  // noise is made in fp32
    EXPECT_NEAR(bound, prior + mean_of_losses, 1e-12 * bound);
  }
}

TEST(Variational, LearnedVariancesSpanBetaAndPosterior) {
  const auto chain = DiffusionChain::of(*make_sde({.name = "vp"}), 40);
  const Tensor x0 = one(0.3), xi = one(0.1), noise = one(0.7);
  for (const int i : {0, 7}) {
    const std::vector<int> at{i};
    const auto term = [&](const Tensor& output, ReverseVariance kind) {
      return variational_terms(chain, output, x0, xi, at, {.variance = kind}).item();
    };
    const auto learned = [&](double v) {
      return term(ops::concat({noise, one(v)}, -1), ReverseVariance::learned);
    };
    EXPECT_NEAR(learned(-1), term(noise, ReverseVariance::posterior), 1e-12);
    if (i > 0) {
      EXPECT_NEAR(learned(1), term(noise, ReverseVariance::beta), 1e-12);
    }
  }
}

TEST(Hybrid, TheBoundTeachesTheVariancesAlone) {
  const auto chain = DiffusionChain::cosine(20);
  const Tensor x0 = Tensor::from(std::vector{0.2, -0.5}, {2, 1});
  const std::vector<int> at{4, 0};
  Tensor noise = Tensor::from(std::vector{0.6, 0.1}, {2, 1});
  Tensor v = Tensor::from(std::vector{0.3, -0.2}, {2, 1});
  noise.set_requires_grad();
  v.set_requires_grad();
  const NetworkFn network = [&](const Tensor&, const Tensor&) {
    return ops::concat({noise, v}, -1);
  };
  const Tensor loss = hybrid_losses(network, chain, x0, at, indices(2), kNoise, 8);
  const ChainDraw draw = draw_chain(chain, x0, at, indices(2), kNoise);
  const Tensor terms = variational_terms(chain, ops::concat({noise.detach(), v}, -1), x0, draw.xi,
                                         at, {.variance = ReverseVariance::learned});
  const double scale = 20.0 / 1000 / std::numbers::ln2;
  for (size_t n = 0; n < 2; ++n) {
    const double simple = std::pow(noise.span<double>()[n] - draw.z.span<double>()[n], 2);
    EXPECT_NEAR(loss.span<double>()[n], simple + scale * terms.span<double>()[n], 1e-12);
  }
  const Tensors got = grad(ops::sum(loss), {noise, v}, {.keep_graph = true});
  const Tensor of_terms = grad(ops::sum(terms), {v})[0];
  for (size_t n = 0; n < 2; ++n) {
    EXPECT_NEAR(got[0].span<double>()[n], 2 * (noise.span<double>()[n] - draw.z.span<double>()[n]),
                1e-12);
    EXPECT_NEAR(got[1].span<double>()[n], scale * of_terms.span<double>()[n], 1e-12);
    EXPECT_NE(got[1].span<double>()[n], 0);
  }
}

TEST(StepResampler, IsUniformUntilItKnowsEveryStep) {
  StepResampler r(3, 2, 0.1);
  r.update(std::vector{0, 0, 1, 1, 2}, std::vector{1.0, 2.0, 3.0, 4.0, 5.0});
  for (const double p : r.probabilities()) EXPECT_EQ(p, 1.0 / 3);
  r.update(std::vector{2, 0}, std::vector{12.0, 7.0});  // 7 replaces the oldest loss of step 0
  const double root[] = {std::sqrt((49.0 + 4) / 2), std::sqrt((9.0 + 16) / 2),
                         std::sqrt((25.0 + 144) / 2)};
  const double total = root[0] + root[1] + root[2];
  const auto p = r.probabilities();
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(p[i], 0.9 * root[i] / total + 0.1 / 3, 1e-15);
  // The weighted mean over the draws is the plain mean over the steps.
  const double f[] = {2, -1, 5};
  double mean = 0;
  const int n = 300000;
  for (int k = 0; k < n; ++k) {
    const auto draw = r.draw((k + 0.5) / n);
    mean += draw.weight * f[draw.index] / n;
  }
  EXPECT_NEAR(mean, 2, 1e-4);
  EXPECT_THROW(StepResampler(0), ValueError);
}

}  // namespace
}  // namespace ito::sde
