// Score matching objectives on scores with known derivatives, and through real networks in fp64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "kernels/binary/op.h"
#include "kernels/matmul/op.h"
#include "kernels/noise/op.h"
#include "kernels/perturb/op.h"
#include "kernels/reduce/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "models/energy.h"
#include "models/make.h"
#include "sde/config.h"
#include "sde/objectives/contrastive.h"
#include "sde/objectives/importance.h"
#include "sde/objectives/score_matching.h"
#include "sde/training/score_network.h"
#include "sde/training/trainer.h"

namespace ito::sde {
namespace {

using Kind = ScoreMatching::Kind;
constexpr NoiseKey kNoise{.seed = 5, .purpose = Purpose::forward_noise, .step = 3};
constexpr NoiseKey kProbes{.seed = 5, .purpose = Purpose::probe, .step = 3};

Tensor indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 100);
  return Tensor::from(list, {count});
}

Tensor normals(const Shape& shape, uint64_t seed) {
  Tensor x = Tensor::empty(shape, DType::f64);
  fill_normal(x.span<double>(), {.seed = seed, .purpose = Purpose::data}, 0);
  return x;
}

/// s(x) = A x + b in three dimensions; A is not symmetric, so the order of products matters.
struct Affine {
  std::vector<double> a = {-2, 0.5, 0.25, 1, -3, 0.125, -0.75, 0.4, -1};
  std::vector<double> b = {0.3, -0.2, 0.7};

  Tensor operator()(const Tensor& x) const {
    return ops::linear(x, Tensor::from(a, {3, 3}), Tensor::from(b, {3}));
  }
  /// s and v'Av of row n, by hand.
  std::vector<double> at(const double* x) const {
    std::vector<double> s = b;
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) s[i] += a[3 * i + j] * x[j];
    }
    return s;
  }
  double quadratic(const double* v) const {
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) sum += v[i] * a[3 * i + j] * v[j];
    }
    return sum;
  }
  double trace() const { return a[0] + a[4] + a[8]; }
};

double dot(const double* a, const double* b, size_t n) {
  return std::inner_product(a, a + n, b, 0.0);
}

TEST(ScoreMatching, ImplicitIsHalfTheSquareAndTheTrace) {
  const Affine s;
  const Tensor x = normals({5, 3}, 1);
  const Tensor loss = score_matching_losses(s, x, indices(5), {.kind = Kind::implicit});
  for (size_t n = 0; n < 5; ++n) {
    const auto score = s.at(x.data<double>() + 3 * n);
    EXPECT_NEAR(loss.span<double>()[n], 0.5 * dot(score.data(), score.data(), 3) + s.trace(),
                1e-13);
  }
}

class Projections : public ::testing::TestWithParam<Projection> {};

TEST_P(Projections, SlicedTermsAreThoseOfTheDirections) {
  const Affine s;
  const Tensor x = normals({4, 3}, 2);
  const ScoreMatching how{
      .kind = Kind::sliced, .projection = GetParam(), .particles = 3, .key = kProbes};
  const auto directions = draw_projections(how.projection, x, indices(4), 3, kProbes);
  const Tensor ssm = score_matching_losses(s, x, indices(4), how);
  ScoreMatching difference = how;
  difference.kind = Kind::finite_difference;
  const Tensor fd = score_matching_losses(s, x, indices(4), difference);
  for (size_t n = 0; n < 4; ++n) {
    const auto score = s.at(x.data<double>() + 3 * n);
    double expected = 0, variance_reduced = 0.5 * dot(score.data(), score.data(), 3);
    for (const Tensor& v : directions) {
      const double* at = v.data<double>() + 3 * n;
      expected += (s.quadratic(at) + 0.5 * std::pow(dot(at, score.data(), 3), 2)) / 3;
      variance_reduced += s.quadratic(at) / 3;
    }
    EXPECT_NEAR(ssm.span<double>()[n], expected, 1e-12);
    // Central differences of an affine score have rounding errors alone, magnified by 1 / h.
    EXPECT_NEAR(fd.span<double>()[n], expected, 1e-10);
    if (GetParam() == Projection::unit_sphere) continue;
    ScoreMatching vr = how;
    vr.kind = Kind::sliced_vr;
    EXPECT_NEAR(score_matching_losses(s, x, indices(4), vr).span<double>()[n], variance_reduced,
                1e-12);
  }
}

TEST_P(Projections, HaveTheirSecondMoments) {
  const Tensor x = Tensor::zeros({20000, 3}, DType::f64);
  const double scale = GetParam() == Projection::unit_sphere ? 1.0 / 3 : 1;
  for (const Tensor& v : draw_projections(GetParam(), x, indices(20000), 2, kProbes)) {
    double moments[3][3] = {};
    for (size_t n = 0; n < 20000; ++n) {
      const double* at = v.data<double>() + 3 * n;
      for (size_t i = 0; i < 3; ++i) {
        for (size_t j = 0; j < 3; ++j) moments[i][j] += at[i] * at[j] / 20000;
      }
      if (GetParam() == Projection::sphere) {
        EXPECT_NEAR(dot(at, at, 3), 3, 1e-12);
      }
      if (GetParam() == Projection::unit_sphere) {
        EXPECT_NEAR(dot(at, at, 3), 1, 1e-12);
      }
      if (GetParam() == Projection::rademacher) {
        EXPECT_EQ(std::abs(at[0]), 1);
      }
    }
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < 3; ++j) {  // five standard errors of E[v_i v_j], at most sqrt(2 / n)
        EXPECT_NEAR(moments[i][j], i == j ? scale : 0, 5 * std::sqrt(2.0 / 20000));
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Projections,
                         ::testing::Values(Projection::rademacher, Projection::gaussian,
                                           Projection::sphere, Projection::unit_sphere));

TEST(ScoreMatching, RademacherIsExactForDiagonalJacobians) {
  const ScoreAt s = [](const Tensor& x) { return ops::tanh(x) * 0.7 - x; };
  const Tensor x = normals({6, 5}, 3);
  const auto exact = score_matching_losses(s, x, indices(6), {.kind = Kind::implicit});
  const auto vr = score_matching_losses(s, x, indices(6), {.key = kProbes});
  for (size_t n = 0; n < 6; ++n) {
    EXPECT_NEAR(vr.span<double>()[n], exact.span<double>()[n], 1e-12);
  }
}

TEST(ScoreMatching, AnUnitSphereScalesSlicedLossesAndIsRefusedForVarianceReduction) {
  const Affine s;
  const Tensor x = normals({4, 3}, 4);
  const auto loss = [&](Projection p) {
    return score_matching_losses(s, x, indices(4),
                                 {.kind = Kind::sliced, .projection = p, .key = kProbes});
  };
  const Tensor large = loss(Projection::sphere), unit = loss(Projection::unit_sphere);
  for (size_t n = 0; n < 4; ++n) {
    EXPECT_NEAR(large.span<double>()[n], 3 * unit.span<double>()[n], 1e-12);
  }
  EXPECT_THROW(
      score_matching_losses(s, x, indices(4),
                            {.kind = Kind::sliced_vr, .projection = Projection::unit_sphere}),
      UserError);
}

TEST(ScoreMatching, FiniteDifferencesConvergeWithOrderTwo) {
  const Affine mix;
  const ScoreAt s = [&](const Tensor& x) { return mix(ops::tanh(mix(x))) - x; };
  const Tensor x = normals({8, 3}, 6);
  const auto loss = [&](Kind kind, double h) {
    const ScoreMatching how{.kind = kind, .particles = 2, .step = h, .key = kProbes};
    return ops::mean(score_matching_losses(s, x, indices(8), how)).item();
  };
  const double limit = loss(Kind::sliced, 1);
  double before = 0;
  for (const double h : {0.02, 0.01, 0.005, 0.0025}) {
    const double error = std::abs(loss(Kind::finite_difference, h) - limit);
    if (before > 0) {
      EXPECT_NEAR(std::log2(before / error), 2, 0.2) << h;
    }
    before = error;
  }
}

TEST(ScoreMatching, TheMinimiserOnGaussianDataIsTheInverseVariance) {
  const int64_t n = 64, d = 3;
  const Tensor x = 0.6 * normals({n, d}, 7);
  double squares = 0;
  for (const double v : x.span<double>()) squares += v * v;
  const double best = static_cast<double>(n * d) / squares;  // of -a x: argmin a^2 m2 / 2 - a d
  for (const Kind kind : {Kind::implicit, Kind::sliced_vr}) {
    for (const double a : {best, 2 * best}) {
      Tensor slope = Tensor::full({1, 1}, a, DType::f64);
      slope.set_requires_grad();
      const ScoreAt s = [&](const Tensor& at) { return -slope * at; };
      const Tensor loss = ops::sum(score_matching_losses(s, x, indices(n), {.kind = kind}));
      const double gradient = grad(loss, {slope})[0].item();
      EXPECT_NEAR(gradient, (a - best) * squares, 1e-10);
    }
  }
}

/// The network of data N(0, s0^2 I) under an SDE: k n = std times the score.
NetworkFn gaussian_network(const NoiseLevel& l, double s0) {
  return [=](const Tensor& x, const Tensor&) {
    return x * (-l.std / (l.k * (l.mean * l.mean * s0 * s0 + l.std * l.std)));
  };
}

TEST(ScoreMatching, NoiseLevelsWeightTheLossByTheirVariance) {
  const Tensor x0 = normals({3, 2, 2, 1}, 8);
  for (const char* name : {"ve", "vp"}) {
    const auto sde = make_sde({.name = name, .sigma_max = 10});
    for (const NoiseLevel& l : {continuous_level(*sde, 0.3, Weighting::std2),
                                continuous_level(*sde, 0.7, Weighting::likelihood),
                                discrete_level(*sde, 4, 10), single_level(*sde, 0.5)}) {
      const std::vector<NoiseLevel> levels(3, l);
      const NetworkFn network = gaussian_network(l, 0.8);
      const auto at = [&](Reduction r) {
        return score_matching_losses(network, x0, levels, indices(3), kNoise, r,
                                     {.kind = Kind::implicit});
      };
      const LevelTensors t(levels, x0);
      const Tensor x = ops::perturb(x0, t.mean, t.std, indices(3), kNoise).x_t;
      const double v = l.mean * l.mean * 0.64 + l.std * l.std;
      const Tensor sum = at(Reduction::half_sum), mean = at(Reduction::mean);
      for (size_t n = 0; n < 3; ++n) {
        const double* row = x.data<double>() + 4 * n;
        const double expected =
            l.weight * l.std * l.std * (0.5 * dot(row, row, 4) / (v * v) - 4 / v);
        EXPECT_NEAR(sum.span<double>()[n], expected, 1e-11 * std::abs(expected)) << name;
        EXPECT_NEAR(mean.span<double>()[n], expected / 2, 1e-11 * std::abs(expected)) << name;
      }
    }
  }
}

TEST(Denoising, ASingleLevelIsTheUnweightedDistanceToTheKernelScore) {
  const auto sde = make_sde({.name = "ve", .sigma_max = 10});
  const Tensor x0 = normals({3, 4}, 9), z = normals({3, 4}, 10);
  const NoiseLevel level = single_level(*sde, 0.2);
  EXPECT_NEAR(level.std, 0.2, 1e-12);
  const NetworkFn network = [](const Tensor& x, const Tensor& label) {
    return ops::tanh(x) * ops::reshape(label, {3, 1});
  };
  const Tensor loss = denoising_losses(network, x0, std::vector<NoiseLevel>(3, level), indices(3),
                                       kNoise, Reduction::half_sum, z);
  for (size_t n = 0; n < 3; ++n) {
    double expected = 0;
    for (size_t i = 4 * n; i < 4 * n + 4; ++i) {
      const double x = x0.span<double>()[i] + 0.2 * z.span<double>()[i];
      expected += 0.5 * std::pow(0.2 * std::tanh(x) + z.span<double>()[i] / 0.2, 2);
    }
    EXPECT_NEAR(loss.span<double>()[n], expected, 1e-11 * expected);
  }
  EXPECT_THROW(time_of_sigma(*sde, 11), UserError);
  EXPECT_THROW(time_of_sigma(*sde, 0.001), UserError);
}

/// At the true score the loss is the conditional variance of the noise: E = d/2 s0^2 / (s0^2 +
/// std^2) for data N(0, s0^2).
TEST(Denoising, TheTrueScoreLeavesTheVarianceOfTheData) {
  const auto sde = make_sde({.name = "ve", .sigma_max = 10});
  const NoiseLevel level = continuous_level(*sde, 0.6, Weighting::std2);
  const int64_t n = 4000, d = 8;
  const double s0 = 0.9, v = s0 * s0 + level.std * level.std;
  const Tensor x0 = s0 * normals({n, d}, 11);
  const Tensor loss = denoising_losses(gaussian_network(level, s0), x0,
                                       std::vector<NoiseLevel>(static_cast<size_t>(n), level),
                                       indices(n), kNoise, Reduction::half_sum);
  const double expected = 0.5 * static_cast<double>(d) * s0 * s0 / v;
  // A sum of nd squares of normals, each of variance s0^2 / v: five standard errors.
  EXPECT_NEAR(ops::mean(loss).item(), expected,
              5 * expected * std::sqrt(2.0 / static_cast<double>(n * d)));
}

TEST(FisherDivergence, IsTheHalfSquaredDistance) {
  const Affine s;
  const Tensor x = normals({2, 3}, 12);
  const ScoreAt target = [](const Tensor& at) { return -at; };
  const Tensor f = fisher_divergences(s, target, x);
  for (size_t n = 0; n < 2; ++n) {
    auto e = s.at(x.data<double>() + 3 * n);
    for (size_t i = 0; i < 3; ++i) e[i] += x.span<double>()[3 * n + i];
    EXPECT_NEAR(f.span<double>()[n], 0.5 * dot(e.data(), e.data(), 3), 1e-13);
  }
}

std::unique_ptr<nn::Network> network_of(const nn::ModelConfig& model,
                                        const nn::ImageConfig& image) {
  auto network = nn::make_network(model, image, 1);
  nn::convert(*network, DType::f64);
  // Weights that start at zero would hide most of the network from its gradient.
  uint64_t seed = 50;
  for (const nn::Parameter& p : nn::parameters_of(*network)) {
    if (p.training == nn::Training::frozen) continue;
    *p.value = *p.value + 0.05 * normals(p.value->shape(), seed++);
    p.value->set_requires_grad();
  }
  return network;
}

std::unique_ptr<nn::Network> tiny_ncsnpp() {
  return network_of({.nf = 8,
                     .ch_mult = {1, 2},
                     .num_res_blocks = 1,
                     .attn_resolutions = {4},
                     .dropout = 0,
                     .fir = true,
                     .progressive = "output_skip",
                     .progressive_input = "residual",
                     .embedding_type = "fourier",
                     .fourier_scale = 1,
                     .scale_by_sigma = true},
                    {.image_size = 8, .channels = 1, .centered = false});
}

std::unique_ptr<nn::Network> small_mlp() {
  return network_of({.name = "mlp", .nf = 8, .num_res_blocks = 2, .dropout = 0, .init_scale = 1},
                    {.image_size = 1, .channels = 2, .centered = true});
}

/// d(loss)/d(parameters) along a random direction against central differences, to 1e-7.
void expect_true_gradient(nn::Network& network, const std::function<Tensor()>& loss) {
  Tensors parameters, directions;
  uint64_t seed = 500;
  for (const nn::Parameter& p : nn::parameters_of(network)) {
    if (p.training == nn::Training::frozen) continue;
    parameters.push_back(*p.value);
    directions.push_back(normals(p.value->shape(), seed++));
  }
  const Tensors gradients = grad(loss(), parameters, {.allow_unused = true});
  double derivative = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (gradients[i]) derivative += ops::sum(gradients[i] * directions[i]).item();
  }
  const NoGradScope off;
  const auto moved = [&](double step) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].copy_from((parameters[i] + step * directions[i]).detach());
    }
    return loss().item();
  };
  const auto slope = [&](double h) {
    const double above = moved(h), below = moved(-2 * h);
    moved(h);
    return (above - below) / (2 * h);
  };
  // Central differences of steps h and 2h, so combined that the error is O(h^4).
  const double difference = (4 * slope(1e-4) - slope(2e-4)) / 3;
  EXPECT_NEAR(derivative, difference, 1e-7 * std::max(1.0, std::abs(derivative)));
  EXPECT_GT(std::abs(derivative), 1e-3);
}

struct NetworkCase {
  const char* name;
  ScoreMatching how;
};

class ThroughNetworks : public ::testing::TestWithParam<NetworkCase> {};

TEST_P(ThroughNetworks, ParameterGradientsMatchFiniteDifferences) {
  const auto ve = make_sde({.name = "ve", .sigma_max = 5});
  const auto vp = make_sde({.name = "vp"});
  ScoreMatching how = GetParam().how;
  how.key = kProbes;
  const auto check = [&](nn::Network& network, const Sde& sde, const Tensor& x0) {
    const NetworkFn forward = [&](const Tensor& x, const Tensor& labels) {
      return network.forward(x, labels);
    };
    const std::vector<NoiseLevel> levels{continuous_level(sde, 0.4, Weighting::std2),
                                         continuous_level(sde, 0.7, Weighting::std2)};
    expect_true_gradient(network, [&] {
      return ops::sum(
          score_matching_losses(forward, x0, levels, indices(2), kNoise, Reduction::mean, how));
    });
  };
  check(*small_mlp(), *vp, normals({2, 1, 1, 2}, 20));
  if (how.kind != Kind::implicit) check(*tiny_ncsnpp(), *ve, normals({2, 8, 8, 1}, 21));
}
INSTANTIATE_TEST_SUITE_P(
    All, ThroughNetworks,
    ::testing::Values(NetworkCase{"implicit", {.kind = Kind::implicit}},
                      NetworkCase{"sliced", {.kind = Kind::sliced, .particles = 2}},
                      NetworkCase{"sliced_vr", {.kind = Kind::sliced_vr}},
                      NetworkCase{"finite_difference",
                                  {.kind = Kind::finite_difference, .step = 1e-2}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(ScoreMatching, WithoutGradientsTheValueIsTheSame) {
  const auto network = small_mlp();
  const ScoreAt s = [&](const Tensor& x) {
    return network->forward(x, Tensor::full({2}, 0.5, DType::f64));
  };
  const Tensor x = normals({2, 1, 1, 2}, 22);
  for (const Kind kind : {Kind::implicit, Kind::sliced, Kind::sliced_vr, Kind::finite_difference}) {
    const Tensor with = score_matching_losses(s, x, indices(2), {.kind = kind, .key = kProbes});
    EXPECT_TRUE(with.requires_grad());
    const NoGradScope off;
    const Tensor without = score_matching_losses(s, x, indices(2), {.kind = kind, .key = kProbes});
    EXPECT_FALSE(without.requires_grad());
    EXPECT_EQ(with.to_vector<double>(), without.to_vector<double>());
  }
}

class Energy : public ::testing::TestWithParam<nn::EnergyOutput> {};

TEST_P(Energy, TheOutputIsTheGradientAndCanBeTrained) {
  nn::EnergyNetwork network(small_mlp(), GetParam());
  Tensor x = normals({2, 1, 1, 2}, 23);
  const Tensor labels = Tensor::full({2}, 3, DType::f64);
  const Tensor output = network.forward(x, labels, {});
  const double sign = GetParam() == nn::EnergyOutput::noise ? 1 : -1;
  const double h = 1e-5;
  for (size_t i = 0; i < 4; ++i) {
    const auto energy = [&](double step) {
      const Tensor moved = x.clone();
      moved.span<double>()[i] += step;
      return ops::sum(network.energy(moved, labels)).item();
    };
    EXPECT_NEAR(output.span<double>()[i], sign * (energy(h) - energy(-h)) / (2 * h), 1e-8);
  }
  {
    const NoGradScope off;
    EXPECT_FALSE(network.forward(x, labels, {}).requires_grad());
    EXPECT_EQ(network.forward(x, labels, {}).to_vector<double>(), output.to_vector<double>());
  }
  const auto vp = make_sde({.name = "vp"});
  const std::vector<NoiseLevel> levels(2, continuous_level(*vp, 0.4, Weighting::std2));
  const NetworkFn forward = [&](const Tensor& at, const Tensor& l) {
    return network.forward(at, l, {});
  };
  expect_true_gradient(network, [&] {
    return ops::sum(denoising_losses(forward, x, levels, indices(2), kNoise, Reduction::half_sum));
  });
  expect_true_gradient(network, [&] {  // third derivatives of the inner network
    return ops::sum(score_matching_losses(forward, x, levels, indices(2), kNoise,
                                          Reduction::half_sum, {.key = kProbes}));
  });
}
INSTANTIATE_TEST_SUITE_P(All, Energy,
                         ::testing::Values(nn::EnergyOutput::score, nn::EnergyOutput::noise));

class Bounded final : public nn::Network {
  Tensor forward(const Tensor& x, const Tensor&, const nn::ForwardOptions&) const override {
    return ops::tanh(x);
  }
  void list(nn::ParameterList&) override {}
  std::unique_ptr<nn::Network> clone() const override { return std::make_unique<Bounded>(); }
};

// E = |x - f|^2 / 2 of a bounded f grows with x, so that a density exp(-E) has a score that points
// inwards far from the data, for every SDE. With the other sign E would be the log of a density.
TEST(EnergyOutput, TheScoreOfEverySdePointsToTheData) {
  const Tensor x = 50.0 * normals({16, 1, 1, 2}, 24);
  for (const char* name : {"ve", "vp", "subvp"}) {
    const std::shared_ptr<const Sde> sde = make_sde({.name = name});
    const bool is_ve = std::string(name) == "ve";
    const auto energy = [](nn::EnergyOutput output) {
      return std::make_unique<nn::EnergyNetwork>(std::make_unique<Bounded>(), output);
    };
    const auto right = is_ve ? nn::EnergyOutput::score : nn::EnergyOutput::noise;
    const auto wrong = is_ve ? nn::EnergyOutput::noise : nn::EnergyOutput::score;
    const auto trainer = [&](nn::EnergyOutput output) {
      return Trainer(energy(output), sde, {.kind = "dsm"}, {}, {}, 1000);
    };
    EXPECT_NO_THROW(trainer(right)) << name;
    EXPECT_THROW(trainer(wrong), UserError) << name;
    const std::shared_ptr<const nn::Network> network = energy(right);
    const ScoreFn score = make_score(told_network(network), sde, {});
    const std::vector<double> t{0.3};
    for (const double along : ops::sum(ops::flatten(score(x, t) * x), {1}).to_vector<double>()) {
      EXPECT_LT(along, 0) << name;
    }
  }
}

TEST(Contrastive, TheChainIsLangevinAndTheGradientTheDifferenceOfEnergies) {
  const Tensor data = normals({3, 2}, 24);
  Tensor slope = Tensor::full({1}, 1.5, DType::f64);
  slope.set_requires_grad();
  const EnergyAt energy = [&](const Tensor& x) {
    return slope * (0.5 * ops::sum(ops::square(x), {1}));
  };
  const ScoreAt score = [&](const Tensor& x) { return -1.5 * x; };
  const LangevinChain chain{.steps = 4, .step_size = 0.1, .key = kProbes};
  const Tensor model = run_langevin(score, data, indices(3), chain);
  const auto z = draw_projections(Projection::gaussian, data, indices(3), 4, kProbes);
  double expected = 0;
  for (size_t i = 0; i < 6; ++i) {
    double x = data.span<double>()[i];
    for (const Tensor& draw : z) x += -0.15 * x + std::sqrt(0.2) * draw.span<double>()[i];
    EXPECT_NEAR(model.span<double>()[i], x, 1e-13);
    expected += 0.5 * (std::pow(data.span<double>()[i], 2) - x * x);
  }
  LangevinChain clipped = chain;
  clipped.steps = 1;
  clipped.limit = 0.5;
  const Tensor moved = run_langevin(score, data, indices(3), clipped);
  const Tensor first = draw_projections(Projection::gaussian, data, indices(3), 1, kProbes)[0];
  for (size_t i = 0; i < 6; ++i) {
    const double x = data.span<double>()[i], s = std::clamp(-1.5 * x, -0.5, 0.5);
    EXPECT_NEAR(moved.span<double>()[i], x + 0.1 * s + std::sqrt(0.2) * first.span<double>()[i],
                1e-13);
  }
  const Tensor loss = ops::sum(contrastive_losses(energy, data, model));
  EXPECT_NEAR(loss.item(), 1.5 * expected, 1e-12);
  EXPECT_NEAR(grad(loss, {slope})[0].item(), expected, 1e-12);
}

/// Simpson's rule for the integral of f over [low, high].
double integral(const std::function<double(double)>& f, double low, double high) {
  const int n = 4000;
  const double h = (high - low) / n;
  double sum = f(low) + f(high);
  for (int i = 1; i < n; ++i) sum += (i % 2 == 1 ? 4 : 2) * f(low + i * h);
  return sum * h / 3;
}

TEST(ImportanceSampling, GivesTheLikelihoodWeightedMean) {
  for (const char* name : {"ve", "vp", "subvp"}) {
    const auto sde = make_sde({.name = name});
    const auto loss = [](double t) { return 1 + t * t + std::cos(5 * t); };
    // Over uniform times, in ln t, since the weight has a pole at t = 0 for VP and sub-VP.
    const auto weighted = [&](double log_t) {
      const double t = std::exp(log_t);
      return t * continuous_level(*sde, t, Weighting::likelihood).weight * loss(t);
    };
    const double expected = integral(weighted, std::log(kSmallestTime), 0) / (1 - kSmallestTime);
    const auto sampled = [&](double u) {
      const double t = likelihood_weighted_time(*sde, u);
      return importance_sampled_level(*sde, t).weight * loss(t);
    };
    EXPECT_NEAR(integral(sampled, 0, 1), expected, 1e-6 * expected) << name;
    EXPECT_NEAR(likelihood_weighted_time(*sde, 0), kSmallestTime, 1e-15);
    EXPECT_NEAR(likelihood_weighted_time(*sde, 1), 1, 1e-15);
  }
}

}  // namespace
}  // namespace ito::sde
