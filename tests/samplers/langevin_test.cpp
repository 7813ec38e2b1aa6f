// Langevin dynamics and Hamiltonian Monte Carlo, against the rules written out for numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "samplers/langevin/hamiltonian.h"
#include "samplers/langevin/langevin_dynamics.h"
#include "sde/config.h"

namespace ito::samplers {
namespace {

constexpr double kMu = 0.4, kStd = 0.3;

double variance(const sde::Sde& sde, double t) {
  return std::pow(sde.alpha(t) * kStd, 2) + std::pow(sde.sigma(t), 2);
}
double score_at(const sde::Sde& sde, double x, double t) {
  return -(x - sde.alpha(t) * kMu) / variance(sde, t);
}
sde::ScoreFn gaussian_score(const sde::Sde& sde) {
  return [&sde](const Tensor& x, std::span<const double> t) {
    return (-1 / variance(sde, t[0])) * (x - sde.alpha(t[0]) * kMu);
  };
}

std::vector<int64_t> indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

double draw(uint64_t seed, Purpose purpose, uint32_t step, uint32_t sample) {
  return normal_at({seed, purpose, step}, sample, 0);
}

class Annealed : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const sde::Sde> sde_ = sde::make_sde({.name = GetParam(), .sigma_max = 1});
};

TEST_P(Annealed, FollowsThePublishedAlgorithm) {
  const AnnealedOptions o{.times = level_times(*sde_, 5, 0.02), .steps_per_level = 3, .step = 1e-4};
  const std::vector<int64_t> samples = {2, 9};
  const Tensor start = uniform_start({1}, samples, 7, DType::f64);
  const SampleResult r =
      sample_annealed_langevin(gaussian_score(*sde_), *sde_, start, samples, o, {.seed = 3});
  EXPECT_EQ(r.evaluations, 16);
  const double last = sde_->sigma(o.times.back());
  for (size_t n = 0; n < 2; ++n) {
    double x = start.span<double>()[n];
    EXPECT_TRUE(x >= 0 && x < 1);
    uint32_t step = 0;
    for (const double t : o.times) {
      const double a = o.step * std::pow(sde_->sigma(t) / last, 2);
      for (int j = 0; j < 3; ++j) {
        const double z = draw(3, Purpose::corrector, step++, static_cast<uint32_t>(samples[n]));
        x += a * score_at(*sde_, x, t) + std::sqrt(2 * a) * z;
      }
    }
    const double t = o.times.back();
    x = (x + last * last * score_at(*sde_, x, t)) / sde_->alpha(t);
    EXPECT_NEAR(r.x.span<double>()[n], x, 1e-10);
  }
}

TEST_P(Annealed, KnownDataIsNoisedBeforeEveryStep) {
  using Renew = KnownPart::Renew;
  const std::vector<int64_t> samples = {2};
  const Tensor data = Tensor::from(std::vector<double>{0.8, 0}, {1, 2});
  const Tensor mask = Tensor::from(std::vector<double>{1, 0}, {1, 2});
  for (const Renew renew : {Renew::per_level, Renew::per_step}) {
    const AnnealedOptions o{.times = {0.5, 0.1},
                            .steps_per_level = 2,
                            .step = 1e-4,
                            .known = {.data = data, .mask = mask, .renew = renew}};
    std::vector<double> seen;
    const sde::ScoreFn score = [&](const Tensor& x, std::span<const double>) {
      seen.push_back(x.span<double>()[0]);
      return 0.0 * x;
    };
    const SampleResult r = sample_annealed_langevin(
        score, *sde_, Tensor::full({1, 2}, 0.3, DType::f64), samples, o, {.seed = 3});
    for (uint32_t step = 0; step < 4; ++step) {
      const double t = o.times[step / 2];
      const uint32_t key = renew == Renew::per_level ? step / 2 : step;
      const double z = draw(3, Purpose::constraint, key, 2);
      EXPECT_NEAR(seen[step], sde_->alpha(t) * 0.8 + sde_->sigma(t) * z, 1e-12);
    }
    EXPECT_EQ(r.x.span<double>()[0], 0.8);
    EXPECT_NE(r.x.span<double>()[1], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Annealed, ::testing::Values("ve", "vp", "subvp"));

TEST(AnnealedLangevin, LevelsOfVeAreThePublishedOnes) {
  const auto ve = sde::make_sde({.name = "ve", .sigma_max = 1});
  const std::vector<double> t = level_times(*ve, 10);
  ASSERT_EQ(t.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    const double sigma = std::pow(10, -2.0 * static_cast<double>(i) / 9);
    EXPECT_NEAR(ve->sigma(t[i]), sigma, 1e-12 * sigma);
  }
  EXPECT_THROW(level_times(*ve, 1), ValueError);
  const Tensor x = Tensor::zeros({1, 1}, DType::f32);
  EXPECT_THROW(sample_annealed_langevin(gaussian_score(*ve), *ve, x, {0}, {}, {}), ValueError);
}

TEST(AnnealedLangevin, InterpolatesNoise) {
  const auto ve = sde::make_sde({.name = "ve", .sigma_max = 1});
  const double half_pi = std::numbers::pi / 2;
  const AnnealedOptions o{.times = level_times(*ve, 4), .steps_per_level = 5};
  const auto run = [&](const std::vector<int64_t>& samples, const NoiseSource& noise) {
    const Tensor start = Tensor::full({static_cast<int64_t>(samples.size()), 2}, 0.5, DType::f64);
    return sample_annealed_langevin(gaussian_score(*ve), *ve, start, samples, o, noise)
        .x.to_vector<double>();
  };
  const auto line =
      run({0, 1, 2}, interpolated_noise(8, {2}, 30, 40, {0, half_pi / 2, half_pi}, DType::f64));
  const auto ends = run({30, 40}, {.seed = 8});
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(line[i], ends[i], 1e-12);
    EXPECT_NEAR(line[4 + i], ends[2 + i], 1e-12);
    // The score is affine, so the middle is an affine function of the ends.
    const auto still = run({0}, interpolated_noise(8, {2}, 30, 40, {0}, DType::f64));
    EXPECT_EQ(still[i], line[i]);
  }
}

TEST(Langevin, FollowsTheRuleAndAscends) {
  const auto vp = sde::make_sde({.name = "vp"});
  const double t = 0.2;
  LangevinOptions o{.t = t, .step = 0.05, .steps = 20};
  const Tensor start = Tensor::full({1, 1}, 2, DType::f64);
  const SampleResult r = sample_langevin(gaussian_score(*vp), *vp, start, {6}, o, {.seed = 4});
  double x = 2;
  for (uint32_t i = 0; i < 20; ++i) {
    x += 0.025 * score_at(*vp, x, t) + std::sqrt(0.05) * draw(4, Purpose::corrector, i, 6);
  }
  EXPECT_NEAR(r.x.item(), x, 1e-10);
  EXPECT_EQ(r.evaluations, 20);
  o.motion = Motion::ascent;
  o.steps = 2000;
  const SampleResult top = sample_langevin(gaussian_score(*vp), *vp, start, {6}, o, {});
  EXPECT_NEAR(top.x.item(), vp->alpha(t) * kMu, 1e-10);
  EXPECT_THROW(sample_langevin(gaussian_score(*vp), *vp, start, {6}, {.t = 2}, {}), ValueError);
}

/// log p = -sum (x - mu)^2 / (2 v), of every sample.
DensityFn gaussian(double mu, double v) {
  return density_of([=](const Tensor& x) {
    return (-0.5 / v) * ops::sum(ops::square(ops::flatten(x) - mu), {1});
  });
}
/// log p = cos(x) - x^2 / 8, of one dimension.
DensityFn wave() {
  return density_of(
      [](const Tensor& x) { return ops::reshape(ops::cos(x) - 0.125 * (x * x), {x.size(0)}); });
}

double negative_energy(const Phase& s) {
  return s.density.value.item() - 0.5 * s.p.item() * s.p.item();
}
Phase phase(const DensityFn& density, double x, double p) {
  const Tensor at = Tensor::full({1, 1}, x, DType::f64);
  return {at, Tensor::full({1, 1}, p, DType::f64), density(at)};
}

TEST(Leapfrog, IsReversible) {
  const DensityFn density = wave();
  const Phase start = phase(density, 0.7, -1.1);
  Phase end = leapfrog(density, start, 0.23, 40);
  EXPECT_GT(std::abs(end.x.item() - 0.7), 0.1);
  end.p = -end.p;
  const Phase back = leapfrog(density, end, 0.23, 40);
  EXPECT_NEAR(back.x.item(), 0.7, 1e-12);
  EXPECT_NEAR(back.p.item(), 1.1, 1e-12);
}

TEST(Leapfrog, PreservesVolume) {
  const DensityFn density = wave();
  const double h = 1e-5;
  const auto move = [&](double dx, double dp) {
    return leapfrog(density, phase(density, 0.7 + dx, -1.1 + dp), 0.3, 5);
  };
  const Phase right = move(h, 0), left = move(-h, 0), up = move(0, h), down = move(0, -h);
  const double xx = right.x.item() - left.x.item(), xp = up.x.item() - down.x.item();
  const double px = right.p.item() - left.p.item(), pp = up.p.item() - down.p.item();
  EXPECT_NEAR((xx * pp - xp * px) / (4 * h * h), 1, 1e-8);
}

TEST(Leapfrog, EnergyErrorIsOfSecondOrder) {
  const DensityFn density = wave();
  const double before = negative_energy(phase(density, 0.7, -1.1));
  std::vector<double> errors;
  for (const int steps : {10, 20, 40, 80}) {
    const Phase end = leapfrog(density, phase(density, 0.7, -1.1), 1.0 / steps, steps);
    errors.push_back(std::log2(std::abs(negative_energy(end) - before)));
  }
  for (size_t i = 1; i < errors.size(); ++i) EXPECT_NEAR(errors[i - 1] - errors[i], 2, 0.2);
}

// log of the ratio of MALA: log p(y) - log p(x) + log q(x | y) - log q(y | x), q(y | x) =
// N(x + e grad, 2 e).
TEST(Mala, AcceptanceIsThatOfOneLeapfrogStep) {
  const double e = 0.17;
  const HmcOptions o = mala(e, 1);
  EXPECT_EQ(o.leapfrog_steps, 1);
  const double mu = 0.3, v = 0.8;
  const DensityFn density = gaussian(mu, v);
  for (const double x : {-1.0, 0.2, 2.5}) {
    for (const double z : {-1.3, 0.4}) {
      const auto drifted = [&](double from) { return from - e * (from - mu) / v; };
      const double y = drifted(x) + std::sqrt(2 * e) * z;
      const double log_p = (std::pow(x - mu, 2) - std::pow(y - mu, 2)) / (2 * v);
      const double log_q = (std::pow(y - drifted(x), 2) - std::pow(x - drifted(y), 2)) / (4 * e);
      const Phase start = phase(density, x, z), end = leapfrog(density, start, o.step, 1);
      EXPECT_NEAR(end.x.item(), y, 1e-12);
      EXPECT_NEAR(negative_energy(end) - negative_energy(start), log_p + log_q, 1e-12);
    }
  }
}

/// The whole chain for numbers: same draws, same decisions.
TEST(Hmc, FollowsTheRule) {
  const double mu = 0.3, v = 0.8;
  const std::vector<int64_t> samples = {1, 4, 70};
  const HmcOptions o{.step = 1.1, .leapfrog_steps = 3, .iterations = 50};
  const Tensor start = Tensor::from(std::vector<double>{-2, 0.1, 3}, {3, 1});
  int64_t calls = 0;
  const DensityFn counting = [&, density = gaussian(mu, v)](const Tensor& x) {
    ++calls;
    return density(x);
  };
  const HmcResult r = sample_hmc(counting, start, samples, o, {.seed = 6});
  EXPECT_EQ(r.evaluations, calls);
  EXPECT_EQ(calls, 151);
  for (size_t n = 0; n < 3; ++n) {
    const auto sample = static_cast<uint32_t>(samples[n]);
    double x = start.span<double>()[n];
    int accepted = 0;
    const auto energy = [&](double q, double p) {
      return (q - mu) * (q - mu) / (2 * v) + p * p / 2;
    };
    for (uint32_t i = 0; i < 50; ++i) {
      double q = x, p = draw(6, Purpose::corrector, 2 * i, sample);
      const double before = energy(q, p);
      for (int j = 0; j < 3; ++j) {
        p -= o.step / 2 * (q - mu) / v;
        q += o.step * p;
        p -= o.step / 2 * (q - mu) / v;
      }
      const double u = 1 - double{uniform_at({6, Purpose::corrector, 2 * i + 1}, sample, 0)};
      if (u > std::exp(before - energy(q, p))) continue;
      x = q;
      ++accepted;
    }
    EXPECT_NEAR(r.x.span<double>()[n], x, 1e-10);
    EXPECT_NEAR(r.acceptance[n], accepted / 50.0, 1e-12);
    EXPECT_TRUE(accepted > 5 && accepted < 50);
  }
}

// Chains that start in the density stay in it, however coarse the step.
TEST(Hmc, LeavesTheDensityInvariant) {
  const int64_t n = 40000;
  const double v = 0.5;
  for (const HmcOptions& o :
       {HmcOptions{.step = 1, .leapfrog_steps = 3, .iterations = 5}, mala(0.4, 10)}) {
    std::vector<double> x(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = std::sqrt(v) * draw(1, Purpose::prior, 0, static_cast<uint32_t>(i));
    }
    const HmcResult r =
        sample_hmc(gaussian(0, v), Tensor::from(x, {n, 1}), indices(n), o, {.seed = 2});
    double sum = 0, squares = 0, fourth = 0;
    for (const double y : r.x.span<double>()) sum += y, squares += y * y, fourth += y * y * y * y;
    EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(v / n));
    EXPECT_NEAR(squares / n, v, 5 * v * std::sqrt(2.0 / n));
    EXPECT_NEAR(fourth / n, 3 * v * v, 5 * v * v * std::sqrt(96.0 / n));
    const double rate = std::accumulate(r.acceptance.begin(), r.acceptance.end(), 0.0) / n;
    EXPECT_TRUE(rate > 0.5 && rate < 0.95) << rate;
  }
}

TEST(Hmc, ASampleDependsOnItsIndexAloneBitForBit) {
  const auto run = [](const std::vector<int64_t>& samples) {
    const auto n = static_cast<int64_t>(samples.size());
    const Tensor start = Tensor::full({n, 3, 1}, 0.5, DType::f32);
    return sample_hmc(gaussian(0, 1), start, samples, {.step = 0.7, .iterations = 20}, {.seed = 1})
        .x.to_vector<float>();
  };
  const auto all = run({5, 1000000, 7}), one = run({7});
  EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + 6));
}

TEST(Hmc, RejectsWhatIsNotFiniteAndStops) {
  // log p = log(x) is not a number below 0.
  const DensityFn half_line =
      density_of([](const Tensor& x) { return ops::reshape(ops::log(x) - x, {x.size(0)}); });
  const Tensor start = Tensor::full({20, 1}, 0.1, DType::f64);
  const HmcResult r = sample_hmc(half_line, start, indices(20), mala(0.5, 30), {.seed = 1});
  for (const double x : r.x.span<double>()) EXPECT_GT(x, 0);
  EXPECT_LT(*std::min_element(r.acceptance.begin(), r.acceptance.end()), 1);
  int seen = 0;
  const HmcResult stopped =
      sample_hmc(half_line, start, indices(20), mala(0.5, 30), {}, [&](const StepView& view) {
        EXPECT_EQ(view.step, seen);
        return ++seen == 4 ? Verdict::stop : Verdict::go_on;
      });
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.evaluations, 5);
  EXPECT_THROW(sample_hmc(half_line, start, indices(20), {.step = 0}, {}), ValueError);
  EXPECT_THROW(mala(0, 1), ValueError);
}

}  // namespace
}  // namespace ito::samplers
