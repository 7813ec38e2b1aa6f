// The adaptive SDE solver against its published algorithm for numbers, and against the marginal.
#include "samplers/solvers/adaptive_sde.h"

#include <gtest/gtest.h>

#include "engine/random/noise.h"
#include "kernels/unary/op.h"
#include "tests/samplers/gaussian_data.h"

namespace ito::samplers {
namespace {

/// Algorithm 1 of Jolicoeur-Martineau et al. for one number, with the noise of a sample.
TEST(AdaptiveSde, FollowsThePublishedAlgorithm) {
  for (const char* name : {"ve", "vp", "subvp", "custom"}) {
    const SdePtr sde = sde_named(name);
    const std::vector<int64_t> samples = {4, 11};
    const NoiseSource noise{.seed = 21};
    const AdaptiveOptions o{.eps = 1e-2, .rtol = 0.05, .atol = 0.01};
    const Tensor start = prior_sample(*sde, {1}, samples, noise, DType::f64);
    const SampleResult r = sample_adaptive(gaussian_score(sde), *sde, start, samples, o, noise);
    int64_t most = 0;
    bool rejected = false;
    for (size_t n = 0; n < 2; ++n) {
      double x = start.span<double>()[n], before = x, t = 1, h = 0.01;
      uint32_t attempt = 0;
      while (t > o.eps) {
        const double z =
            normal_at({21, Purpose::predictor, attempt++}, static_cast<uint32_t>(samples[n]), 0);
        const double u = t - h <= o.eps ? o.eps : t - h;
        const auto move = [&](double from, double time) {
          return h * reverse(*sde, from, time) + std::sqrt(h * sde->diffusion2(time)) * z;
        };
        const double euler = x + move(x, t), heun = 0.5 * (euler + x + move(euler, u));
        const double size = std::max(o.atol, o.rtol * std::max(std::abs(euler), std::abs(before)));
        const double e = std::abs(euler - heun) / size;
        if (e <= 1) {
          x = heun, before = euler, t = u;
        } else {
          rejected = true;
        }
        h = std::min(t - o.eps, 0.9 * h * std::pow(e, -0.9));
      }
      most = std::max<int64_t>(most, attempt);
      EXPECT_NEAR(r.x.span<double>()[n], tweedie_of(*sde, x, o.eps), 1e-9) << name;
    }
    EXPECT_EQ(r.evaluations, 2 * most + 1) << name;
    EXPECT_TRUE(rejected) << name;
  }
}

// In many dimensions the error hardly depends on the draw, so rejections hardly bias it.
TEST(AdaptiveSde, ReachesTheMarginal) {
  const SdePtr sde = sde_named("vp");
  const auto samples = indices(100);
  const NoiseSource noise{.seed = 3};
  const Tensor start = prior_sample(*sde, {256}, samples, noise, DType::f64);
  const SampleResult r =
      sample_adaptive(gaussian_score(sde), *sde, start, samples,
                      {.rtol = 0.01, .atol = 0.005, .denoise = Denoise::none}, noise);
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(r.x.numel());
  for (const double v : r.x.span<double>()) sum += v, squares += v * v;
  const double mean = sum / n, v = squares / n - mean * mean, exact = variance(*sde, 1e-3);
  // Five standard errors and the tolerance.
  EXPECT_NEAR(mean, kMu, 5 * std::sqrt(exact / n) + 0.005);
  EXPECT_NEAR(v, exact, 5 * exact * std::sqrt(2 / n) + 0.005);
}

TEST(AdaptiveSde, StopsAndGivesUp) {
  const SdePtr sde = sde_named("vp");
  const Tensor x = Tensor::zeros({2, 1}, DType::f32);
  const auto score = gaussian_score(sde);
  int seen = 0;
  const SampleResult stopped = sample_adaptive(
      score, *sde, x, {0, 1}, {}, {},
      [&](const StepView&) { return ++seen == 3 ? Verdict::stop : Verdict::go_on; });
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.evaluations, 6);
  EXPECT_THROW(sample_adaptive(score, *sde, x, {0, 1}, {.most_steps = 2}, {}), UserError);
  const sde::ScoreFn nan = [](const Tensor& v, std::span<const double>) { return NAN * v; };
  EXPECT_THROW(sample_adaptive(nan, *sde, x, {0, 1}, {}, {}), UserError);
  EXPECT_THROW(sample_adaptive(score, *sde, x, {0}, {}, {}), ShapeError);
  EXPECT_THROW(sample_adaptive(score, *sde, x, {0, 1}, {.rtol = 0}, {}), ValueError);
}

}  // namespace
}  // namespace ito::samplers
