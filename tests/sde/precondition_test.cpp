// Denoisers of EDM's form: exact for Gaussian data, and networks of the SDEs seen through them.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/objectives/edm.h"
#include "sde/objectives/precondition.h"

namespace ito::sde {
namespace {


Tensor normals(const Shape& shape, uint64_t seed) {
  Tensor x = Tensor::empty(shape, DType::f64);
  fill_normal(x.span<double>(), {.seed = seed, .purpose = Purpose::data}, 0);
  return x;
}

const std::vector<double> kSigmas{0.003, 0.05, 0.7, 4, 60};
constexpr double kMean = 0.3, kData = 0.5;

/// F for which D(x; sigma) is E[x_0 | x] of data N(kMean, kData^2): inverts the definition of D.
/// Labels name the noise level: `sigma_of` inverts c_noise.
NetworkFn exact_network(PreconditionKind kind, const std::function<double(double)>& sigma_of) {
  return [=](const Tensor& scaled, const Tensor& label) {
    Tensor f = Tensor::empty(scaled.shape(), DType::f64);
    for (size_t n = 0; n < label.span<double>().size(); ++n) {
      const double s = sigma_of(label.span<double>()[n]), sd = kData;
      double skip = 1, out = s, in = 1;
      if (kind == PreconditionKind::edm) {
        skip = sd * sd / (s * s + sd * sd);
        out = s * sd / std::hypot(s, sd);
        in = 1 / std::hypot(s, sd);
      } else if (kind != PreconditionKind::ve) {
        out = -s;
        in = 1 / std::hypot(s, 1);
      }
      const double x = scaled.span<double>()[n] / in;
      const double denoised = (sd * sd * x + s * s * kMean) / (s * s + sd * sd);
      f.span<double>()[n] = (denoised - skip * x) / out;
    }
    return f;
  };
}

TEST(Precondition, AGaussianDenoiserGivesTheExactScore) {
  struct Case {
    Precondition how;
    std::function<double(double)> sigma_of;
  };
  const auto vp_sigma = [](double label) {
    const double t = label / 999;
    return std::sqrt(std::expm1(0.5 * 19.9 * t * t + 0.1 * t));
  };
  const Case cases[] = {
      {{.kind = PreconditionKind::edm}, [](double c) { return std::exp(4 * c); }},
      {{.kind = PreconditionKind::edm, .label_use = LabelUse::logarithm},
       [](double c) { return std::exp(4 * std::log(c)); }},
      {{.kind = PreconditionKind::ve}, [](double c) { return 2 * std::exp(c); }},
      {{.kind = PreconditionKind::ve, .label_use = LabelUse::logarithm},
       [](double c) { return 2 * std::exp(std::log(c)); }},
      {{.kind = PreconditionKind::vp}, vp_sigma},
  };
  const Tensor sigma = Tensor::from(kSigmas, {5});
  const Tensor x = normals({5, 1}, 1);
  for (const Case& c : cases) {
    const auto network = exact_network(c.how.kind, c.sigma_of);
    const Tensor score = c.how.score(network)(x, sigma);
    const Tensor denoised = c.how.denoise(network, x, sigma);
    for (size_t n = 0; n < 5; ++n) {
      const double v = kSigmas[n] * kSigmas[n] + kData * kData, at = x.span<double>()[n];
      const double expected = (kMean - at) / v;
      // The test's own F divides a difference by sigma twice: 1 / sigma^2 roundings.
      const double limit = 1e-14 / (kSigmas[n] * kSigmas[n]) + 1e-11;
      EXPECT_NEAR(score.span<double>()[n], expected, limit) << n;
      EXPECT_NEAR(denoised.span<double>()[n], at + kSigmas[n] * kSigmas[n] * expected, 1e-12) << n;
    }
  }
}

TEST(Precondition, IddpmTakesTheNearestLevelOfItsSchedule) {
  const Precondition how{.kind = PreconditionKind::iddpm, .levels = 10};
  // Level 0 is the least noise: u_{M-1} = sqrt(1 / max(a_{M-1} / a_M, 0.001) - 1).
  const auto a = [](int j) { return std::pow(std::sin(0.05 * M_PI * j / 1.008), 2); };
  const double smallest = std::sqrt(a(10) / a(9) - 1);
  const double next = std::sqrt((smallest * smallest + 1) * a(9) / a(8) - 1);
  std::vector<double> labels;
  const NetworkFn network = [&](const Tensor& x, const Tensor& label) {
    labels = label.to_vector<double>();
    return x;
  };
  const Tensor sigma = Tensor::from(std::vector{0.0001, smallest, next * 1.01, 1e6}, {4});
  how.denoise(network, normals({4, 1}, 2), sigma);
  EXPECT_EQ(labels, (std::vector<double>{0, 0, 1, 9}));
}

TEST(Precondition, VpNetworksOfAnSdeGiveTheSameScore) {
  const auto sde = std::shared_ptr<const Sde>(make_sde({.name = "vp"}));
  const NetworkFn network = [](const Tensor& x, const Tensor& label) {
    return ops::tanh(x) * over_samples(0.01 * label, x) + 0.2;
  };
  const double t[] = {0.01, 0.3, 0.9};
  std::vector<double> alpha, sigma;
  for (const double at : t) {
    alpha.push_back(sde->alpha(at));
    sigma.push_back(sde->sigma(at) / sde->alpha(at));
  }
  const Tensor y = normals({3, 2}, 3);  // y = x / alpha = x_0 + sigma z
  const Tensor scale = over_samples(per_sample(alpha, y), y);
  const Tensor expected = scale * make_score(network, sde, {})(scale * y, t);
  const Tensor got =
      Precondition{.kind = PreconditionKind::vp}.score(network)(y, per_sample(sigma, y));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(got.span<double>()[i], expected.span<double>()[i],
                1e-9 * std::abs(expected.span<double>()[i]));
  }
}

TEST(Precondition, VeNetworksOfScoreSdeGiveTheSameScoreOnCenteredData) {
  const auto sde = std::shared_ptr<const Sde>(make_sde({.name = "ve"}));
  auto made = nn::make_network({.nf = 8,
                                .ch_mult = {1, 2},
                                .num_res_blocks = 1,
                                .attn_resolutions = {},
                                .embedding_type = "fourier",
                                .init_scale = 1,
                                .scale_by_sigma = true},
                               {.image_size = 4, .channels = 1, .centered = false}, 1);
  nn::convert(*made, DType::f64);
  const NetworkFn network = [&](const Tensor& x, const Tensor& label) {
    return made->forward(x, label);
  };
  const double t[] = {0.2, 0.8};
  std::vector<double> twice;
  for (const double at : t) twice.push_back(2 * sde->sigma(at));
  const Tensor x = normals({2, 4, 4, 1}, 4), y = 2.0 * x - 1.0;
  const Tensor expected = 0.5 * make_score(network, sde, {})(x, t);  // d/dy = d/dx / 2
  const Precondition how{.kind = PreconditionKind::ve, .label_use = LabelUse::logarithm};
  const Tensor got = how.score(ve_network_for_centered_data(network))(y, per_sample(twice, y));
  double size = 0;
  for (size_t i = 0; i < 32; ++i) size = std::max(size, std::abs(expected.span<double>()[i]));
  EXPECT_GT(size, 1e-3);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_NEAR(got.span<double>()[i], expected.span<double>()[i], 1e-10 * size);
  }
}

/// With EDM's weight and scales the loss is |F - target|^2 at every noise level, for a target of
/// unit variance where the data has sigma_data.
TEST(EdmLoss, IsThePlainDistanceToAUnitTarget) {
  const Precondition how{.sigma_data = kData};
  const Tensor x0 = normals({5, 2}, 5);
  const NoiseKey key{.seed = 2, .purpose = Purpose::forward_noise};
  std::vector<int64_t> list(5);
  std::iota(list.begin(), list.end(), 0);
  const Tensor samples = Tensor::from(list, {5});
  const NetworkFn network = [](const Tensor& x, const Tensor& label) {
    return ops::tanh(x + over_samples(label, x));
  };
  const Tensor sum = edm_losses(network, how, x0, kSigmas, samples, key, Reduction::half_sum);
  const Tensor mean = edm_losses(network, how, x0, kSigmas, samples, key, Reduction::mean);
  for (size_t n = 0; n < 5; ++n) {
    const double s = kSigmas[n], total = std::hypot(s, kData);
    double expected = 0;
    for (size_t i = 2 * n; i < 2 * n + 2; ++i) {
      const double clean = x0.span<double>()[i];
      const double x =
          clean + s * normal_at(key, static_cast<uint32_t>(n), static_cast<uint32_t>(i - 2 * n));
      const double f = std::tanh(x / total + 0.25 * std::log(s));
      const double target = (clean - kData * kData / (total * total) * x) / (s * kData / total);
      expected += 0.5 * (f - target) * (f - target);
    }
    EXPECT_NEAR(sum.span<double>()[n], expected, 1e-9 * expected);
    EXPECT_NEAR(mean.span<double>()[n], expected, 1e-9 * expected);  // half of a sum of two
    EXPECT_NEAR(how.training_weight(s) * std::pow(s * kData / total, 2), 1, 1e-12);
  }
  EXPECT_NEAR(LogNormalSigma{}(0.5), std::exp(-0.6), 1e-15);
}

}  // namespace
}  // namespace ito::sde
