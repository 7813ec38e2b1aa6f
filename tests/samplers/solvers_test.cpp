// Solvers with several stages or steps, against the same rules written out for numbers, and
// against exact solutions. With data N(mu, s0^2) every fixed-step solver is an affine map of the
// start and the draws, which is read out of the production sampler.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/unary/op.h"
#include "samplers/ode/probability_flow.h"
#include "samplers/solvers/adaptive_sde.h"
#include "samplers/solvers/dpm_solver.h"
#include "samplers/solvers/edm_heun.h"
#include "samplers/solvers/stochastic_runge_kutta.h"
#include "sde/config.h"
#include "sde/linear.h"
#include "tests/samplers/gaussian_data.h"
#include "tests/support/order.h"

namespace ito::samplers {
namespace {

using testing::order_of;
/// Any fixed-step sampler, and the same rule for one number.
using Sampler = std::function<SampleResult(const sde::ScoreFn&, const sde::Sde&, const Tensor&,
                                           const std::vector<int64_t>&, const NoiseSource&)>;
using Draw = std::function<double()>;
using Mirror = std::function<double(const sde::Sde&, double x, const Draw& z)>;

struct Moments {
  double mean, variance;
};

/// Moments of the result for a start with given moments. Row 0 has no noise and x = 0, row 1 x = 1,
/// row 2 + k draw k = 1; all others are 0.
template <class Run>  // Run(row, draws so far) -> x(end)
Moments moments_of(int draws, Moments start, const Run& run) {
  const double shift = run(0), slope = run(1) - shift;
  Moments m{slope * start.mean + shift, slope * slope * start.variance};
  for (int k = 0; k < draws; ++k) m.variance += std::pow(run(2 + k) - shift, 2);
  return m;
}

Moments production_moments(const SdePtr& sde, const Sampler& sampler, int draws, Moments start) {
  const int64_t rows = 2 + draws;
  std::vector<double> x(static_cast<size_t>(rows), 0);
  x[1] = 1;
  int drawn = 0;
  NoiseSource noise;
  noise.recorded = [&] {
    std::vector<double> z(static_cast<size_t>(rows), 0);
    z.at(static_cast<size_t>(2 + drawn++)) = 1;
    return Tensor::from(z, {rows, 1});
  };
  const Tensor y =
      sampler(gaussian_score(sde), *sde, Tensor::from(x, {rows, 1}), indices(rows), noise).x;
  EXPECT_EQ(drawn, draws);
  return moments_of(draws, start,
                    [&](int row) { return y.span<double>()[static_cast<size_t>(row)]; });
}

Moments mirror_moments(const sde::Sde& sde, const Mirror& mirror, int draws, Moments start) {
  return moments_of(draws, start, [&](int row) {
    int drawn = 0;
    return mirror(sde, row == 1 ? 1 : 0, [&] { return 2 + drawn++ == row ? 1.0 : 0.0; });
  });
}

// The rules, written out for numbers.

Mirror heun_mirror(const sde::TimeGrid& grid) {
  return [=](const sde::Sde& sde, double x, const Draw& draw) {
    for (int i = 0; i < grid.steps(); ++i) {
      const double t = grid.t(i), u = grid.t(i + 1), h = t - u, dw = std::sqrt(h) * draw();
      const double g = std::sqrt(sde.diffusion2(t)), g2 = std::sqrt(sde.diffusion2(u));
      const double a = reverse(sde, x, t), inner = x + a * h + g * dw;
      x += 0.5 * h * (a + reverse(sde, inner, u)) + 0.5 * (g + g2) * dw;
    }
    return tweedie_of(sde, x, grid.t(grid.steps()));
  };
}

Mirror sra1_mirror(const sde::TimeGrid& grid) {
  return [=](const sde::Sde& sde, double x, const Draw& draw) {
    for (int i = 0; i < grid.steps(); ++i) {
      const double t = grid.t(i), u = grid.t(i + 1), h = t - u;
      const double i1 = std::sqrt(h) * draw(), xi = draw();
      const double i10 = 0.5 * h * (i1 + xi * std::sqrt(h / 3));
      const double g = std::sqrt(sde.diffusion2(t)), g2 = std::sqrt(sde.diffusion2(u));
      const double a = reverse(sde, x, t);
      const double inner = x + 0.75 * h * a + 1.5 * g2 * i10 / h;
      const double b = reverse(sde, inner, t - 0.75 * h);
      x += h * (a / 3 + 2 * b / 3) + i1 * g2 + i10 / h * (g - g2);
    }
    return tweedie_of(sde, x, grid.t(grid.steps()));
  };
}

/// Algorithm 2 of Karras et al. with their D(y; rho) = E[x_0 | x_0 + rho n = y].
Mirror edm_mirror(const EdmOptions& o) {
  return [=](const sde::Sde& sde, double x, const Draw& draw) {
    const auto rho = [&](double t) { return sde.sigma(t) / sde.alpha(t); };
    const auto clean = [](double y, double r) {
      return (kStd * kStd * y + r * r * kMu) / (kStd * kStd + r * r);
    };
    const int n = o.grid.steps() + 1;
    double y = x / sde.alpha(o.grid.t(0));
    for (int i = 0; i < n; ++i) {
      const double r = rho(o.grid.t(i)), next = i + 1 < n ? rho(o.grid.t(i + 1)) : 0;
      const bool inside = r >= o.churn_min && r <= o.churn_max;
      const double gamma = inside ? std::min(o.churn / n, std::numbers::sqrt2 - 1) : 0;
      const double hat = std::min(r * (1 + gamma), rho(sde.T()));
      const double z = o.churn > 0 ? draw() : 0;
      y += o.churn_noise * std::sqrt(hat * hat - r * r) * z;
      const double d = (y - clean(y, hat)) / hat, h = next - hat;
      if (next == 0) return y + h * d;
      const double c = o.second_stage, middle = hat + c * h, inner = y + c * h * d;
      const double d2 = (inner - clean(inner, middle)) / middle;
      y += h * ((1 - 1 / (2 * c)) * d + 1 / (2 * c) * d2);
    }
    return y;
  };
}

Mirror dpm_mirror(const DpmOptions& o) {
  return [=](const sde::Sde& sde, double x, const Draw&) {
    const auto lambda = [&](double t) { return std::log(sde.alpha(t) / sde.sigma(t)); };
    double before = 0, h_before = 0;
    const int n = o.grid.steps();
    for (int i = 0; i < n; ++i) {
      const double t = o.grid.t(i), u = o.grid.t(i + 1), h = lambda(u) - lambda(t);
      const double x0 = tweedie_of(sde, x, t), r = h_before / h;
      const bool second = o.order == DpmOrder::second_multistep && i > 0 &&
                          !(o.last == LastStep::first_order && i == n - 1);
      const double d = second ? (1 + 1 / (2 * r)) * x0 - before / (2 * r) : x0;
      x = sde.sigma(u) / sde.sigma(t) * x - sde.alpha(u) * (std::exp(-h) - 1) * d;
      before = x0;
      h_before = h;
    }
    return x;
  };
}

struct Rule {
  std::string name;
  Sampler sampler;
  Mirror mirror;
  int draws;
};

std::vector<Rule> rules(const sde::Sde& sde) {
  const double eps = sde.sampling_eps();
  const sde::TimeGrid uniform = sde::TimeGrid::uniform(sde.T(), eps, 7),
                      lambda = sde::TimeGrid::uniform_lambda(sde, eps, 7),
                      karras = sde::TimeGrid::karras(sde, eps, 7);
  std::vector<Rule> list;
  list.push_back({"heun",
                  [=](auto& s, auto& e, auto& x, auto& i, auto& z) {
                    return sample_stochastic_heun(s, e, x, i, {.grid = uniform}, z);
                  },
                  heun_mirror(uniform), 7});
  list.push_back({"sra1",
                  [=](auto& s, auto& e, auto& x, auto& i, auto& z) {
                    return sample_sra1(s, e, x, i, {.grid = lambda}, z);
                  },
                  sra1_mirror(lambda), 14});
  const EdmOptions flow{.grid = karras}, churned{.grid = karras,
                                                 .churn = 3,
                                                 .churn_min = 0.02,
                                                 .churn_max = 5,
                                                 .churn_noise = 1.007,
                                                 .second_stage = 0.5};
  for (const EdmOptions& o : {flow, churned}) {
    list.push_back({o.churn > 0 ? "edm_churn" : "edm",
                    [=](auto& s, auto& e, auto& x, auto& i, auto& z) {
                      return sample_edm_heun(s, e, x, i, o, z);
                    },
                    edm_mirror(o), o.churn > 0 ? 8 : 0});
  }
  const DpmOptions first{.grid = uniform, .order = DpmOrder::first}, second{.grid = lambda},
      ends{.grid = uniform, .last = LastStep::first_order};
  int number = 0;
  for (const DpmOptions& o : {first, second, ends}) {
    list.push_back({"dpm" + std::to_string(number++),
                    [=](auto& s, auto& e, auto& x, auto& i, auto& z) {
                      return sample_dpm_solver(s, e, x, i, o, z);
                    },
                    dpm_mirror(o), 0});
  }
  return list;
}

class Solvers : public ::testing::TestWithParam<const char*> {
 protected:
  SdePtr sde_ = sde_named(GetParam());
};

TEST_P(Solvers, PropagateMomentsExactly) {
  const Moments start{0.1, std::pow(sde_->prior_std(), 2)};
  for (const Rule& rule : rules(*sde_)) {
    const Moments expected = mirror_moments(*sde_, rule.mirror, rule.draws, start);
    const Moments got = production_moments(sde_, rule.sampler, rule.draws, start);
    // Relative to the largest state of the run, from which the result is left over.
    EXPECT_NEAR(got.mean, expected.mean, 1e-10 * (1 + std::abs(expected.mean))) << rule.name;
    EXPECT_NEAR(got.variance, expected.variance, 1e-10 * (1 + expected.variance)) << rule.name;
  }
}

TEST_P(Solvers, CountTheirEvaluations) {
  for (const Rule& rule : rules(*sde_)) {
    int64_t calls = 0;
    const Tensor x = Tensor::zeros({2, 3}, DType::f64);
    const SampleResult r = rule.sampler(gaussian_score(sde_, &calls), *sde_, x, {0, 1}, {});
    EXPECT_EQ(r.evaluations, calls) << rule.name;
    EXPECT_EQ(calls, rule.name.starts_with("dpm") ? 7 : 15) << rule.name;
  }
}

TEST_P(Solvers, ASampleDependsOnItsIndexAloneBitForBit) {
  const NoiseSource noise{.seed = 9};
  std::vector<Rule> all = rules(*sde_);
  all.push_back({"adaptive",
                 [](auto& s, auto& e, auto& x, auto& i, auto& z) {
                   return sample_adaptive(s, e, x, i, {}, z);
                 },
                 {},
                 0});
  for (const Rule& rule : all) {
    const auto run = [&](const std::vector<int64_t>& samples) {
      const Tensor start = prior_sample(*sde_, {3, 3, 1}, samples, noise);
      return rule.sampler(gaussian_score(sde_), *sde_, start, samples, noise).x.to_vector<float>();
    };
    const auto batch = run({5, 1000000, 7, 3}), one = run({7});
    EXPECT_TRUE(std::equal(one.begin(), one.end(), batch.begin() + 2 * 9)) << rule.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Solvers, ::testing::Values("ve", "vp", "subvp", "cosine", "custom"));

/// Half of the data near +1, half near -1: s = (alpha m tanh(alpha m x / v) - x) / v, m = 1. Not
/// linear, so that no error term vanishes by chance.
sde::ScoreFn two_modes(SdePtr sde) {
  return [=](const Tensor& x, std::span<const double> t) {
    const double a = sde->alpha(t[0]), v = variance(*sde, t[0]);
    return (1 / v) * (a * ops::tanh((a / v) * x) - x);
  };
}

/// Order of a solver of the probability flow on finer and finer grids, against Dormand and Prince's
/// at a tolerance of 1e-13.
template <class Run>
double flow_order(const SdePtr& sde, double eps, int coarsest, const Run& run) {
  const Tensor x = Tensor::full({1, 1}, 0.7 * sde->prior_std(), DType::f64);
  const FlowOptions exact{
      .solver = {.rtol = 1e-13, .atol = 1e-13}, .eps = eps, .denoise = Denoise::none};
  const double end = sample_ode(two_modes(sde), *sde, x, exact).x.item();
  std::vector<double> errors;
  for (int steps = coarsest; steps <= 8 * coarsest; steps *= 2) {
    errors.push_back(std::abs(run(steps, x).x.item() - end));
  }
  return order_of(errors);
}

TEST(Orders, DeterministicSolvers) {
  for (const char* name : {"ve", "vp", "subvp", "custom"}) {
    const SdePtr sde = sde_named(name);
    const auto score = two_modes(sde);
    const double eps = 1e-2;
    const auto dpm = [&](DpmOrder order, LastStep last) {
      return flow_order(sde, eps, 32, [&](int steps, const Tensor& x) {
        const auto grid = sde::TimeGrid::uniform_lambda(*sde, eps, steps);
        return sample_dpm_solver(score, *sde, x, {0}, {.grid = grid, .order = order, .last = last},
                                 {});
      });
    };
    EXPECT_NEAR(dpm(DpmOrder::first, LastStep::as_others), 1, 0.2) << name;
    EXPECT_NEAR(dpm(DpmOrder::second_multistep, LastStep::as_others), 2, 0.2) << name;
    EXPECT_NEAR(dpm(DpmOrder::second_multistep, LastStep::first_order), 2, 0.2) << name;
    for (const double stage : {1.0, 2. / 3, 0.5}) {
      for (const FlowVariable variable : {FlowVariable::noise, FlowVariable::time}) {
        const double order = flow_order(sde, eps, 128, [&](int steps, const Tensor& x) {
          const bool in_noise = variable == FlowVariable::noise;
          const auto grid = in_noise ? sde::TimeGrid::karras(*sde, eps, steps)
                                     : sde::TimeGrid::uniform(sde->T(), eps, steps);
          return sample_edm_heun(
              score, *sde, x, {0},
              {.grid = grid, .variable = variable, .second_stage = stage, .denoise = Denoise::none},
              {});
        });
        EXPECT_NEAR(order, 2, 0.2) << name << " stage " << stage << " in "
                                   << (variable == FlowVariable::noise ? "noise" : "time");
      }
    }
  }
}

/// Weak order: started from the marginal at T, the reverse SDE ends in the marginal at eps.
TEST(Orders, WeakOrdersOfStochasticRungeKutta) {
  const SdePtr sde = sde_named("custom");
  const double eps = 0.1;
  const Moments start{sde->alpha(1) * kMu, variance(*sde, 1)};
  for (const bool is_heun : {true, false}) {
    std::vector<double> means, variances;
    for (int steps = 8; steps <= 64; steps *= 2) {
      const RungeKuttaOptions o{.grid = sde::TimeGrid::uniform(1, eps, steps),
                                .denoise = Denoise::none};
      const auto sampler = [&](auto& s, auto& e, auto& x, auto& i, auto& z) {
        return is_heun ? sample_stochastic_heun(s, e, x, i, o, z) : sample_sra1(s, e, x, i, o, z);
      };
      const Moments m = production_moments(sde, sampler, is_heun ? steps : 2 * steps, start);
      means.push_back(std::abs(m.mean - sde->alpha(eps) * kMu));
      variances.push_back(std::abs(m.variance - variance(*sde, eps)));
    }
    EXPECT_NEAR(order_of(means), 2, 0.2) << is_heun;
    EXPECT_NEAR(order_of(variances), 2, 0.2) << is_heun;
  }
}

/// dx = a(x) dtau + (1 + tau) dw as a reverse SDE: f = 0, g(t) = 2 - t, and the score a / g^2.
class Strong : public ::testing::Test {
 protected:
  static constexpr int kPaths = 2000, kFinest = 512;

  Strong() {
    for (int i = 0; i < kFinest; ++i) {
      for (auto* list : {&z_, &y_}) {
        list->emplace_back(kPaths);
        const auto purpose = list == &z_ ? Purpose::predictor : Purpose::corrector;
        fill_normal(list->back(), {.seed = 2, .purpose = purpose, .step = uint32_t(i)}, 0);
      }
    }
  }

  /// Increments I1 and I10 of `steps` longer steps, from those of the finest ones.
  std::vector<Tensor> draws(int steps, bool two) const {
    const int m = kFinest / steps;
    const double h = 1.0 / kFinest, H = 1.0 / steps;
    std::vector<Tensor> list;
    for (int i = 0; i < steps; ++i) {
      std::vector<double> z(kPaths), y(kPaths);
      for (size_t p = 0; p < kPaths; ++p) {
        double w = 0, area = 0;
        for (auto k = static_cast<size_t>(i * m); k < static_cast<size_t>((i + 1) * m); ++k) {
          const double i1 = std::sqrt(h) * z_[k][p];
          area += h * w + 0.5 * h * (i1 + y_[k][p] * std::sqrt(h / 3));
          w += i1;
        }
        z[p] = w / std::sqrt(H);
        y[p] = std::numbers::sqrt3 * (2 * area / (H * std::sqrt(H)) - z[p]);
      }
      list.push_back(Tensor::from(z, {kPaths, 1}));
      if (two) list.push_back(Tensor::from(y, {kPaths, 1}));
    }
    return list;
  }

  using Drift = std::function<Tensor(const Tensor&)>;
  Tensor run(const Drift& a, int steps, bool is_heun) const {
    const sde::LinearSde sde({.drift = [](double) { return 0.0; },
                              .diffusion2 = [](double t) { return (2 - t) * (2 - t); }});
    const sde::ScoreFn score = [&](const Tensor& x, std::span<const double> t) {
      return (1 / sde.diffusion2(t[0])) * a(x);
    };
    NoiseSource noise;
    const auto list = draws(steps, !is_heun);
    noise.recorded = [&list, i = size_t{0}]() mutable { return list.at(i++); };
    const RungeKuttaOptions o{.grid = sde::TimeGrid::uniform(1, 0, steps),
                              .denoise = Denoise::none};
    const Tensor x = Tensor::full({kPaths, 1}, 1, DType::f64);
    return is_heun ? sample_stochastic_heun(score, sde, x, indices(kPaths), o, noise).x
                   : sample_sra1(score, sde, x, indices(kPaths), o, noise).x;
  }

  /// Root-mean-square errors with 8 ... 64 steps.
  std::vector<double> errors(const Drift& a, bool is_heun) const {
    const Tensor exact = run(a, kFinest, false);
    std::vector<double> list;
    for (int steps = 8; steps <= 64; steps *= 2) {
      const Tensor x = run(a, steps, is_heun);
      double squares = 0;
      for (size_t p = 0; p < kPaths; ++p) {
        squares += std::pow(x.span<double>()[p] - exact.span<double>()[p], 2);
      }
      list.push_back(std::sqrt(squares / kPaths));
    }
    return list;
  }

  std::vector<std::vector<double>> z_, y_;
};

// With a linear drift the terms of order 1.5 vanish (they carry a''), so SRA1 has order 2 there.
TEST_F(Strong, OrnsteinUhlenbeck) {
  const Drift decay = [](const Tensor& x) { return -1.0 * x; };
  EXPECT_NEAR(order_of(errors(decay, true)), 1, 0.2);
  const std::vector<double> sra1_errors = errors(decay, false);
  EXPECT_NEAR(order_of(sra1_errors), 2, 0.2);
  // Of an independent program, with other paths.
  const double known[] = {8.7e-3, 2.1e-3, 4.6e-4, 1.2e-4};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(sra1_errors[i], known[i], 0.15 * known[i]);
}

TEST_F(Strong, NonLinearDrift) {
  const Drift wave = [](const Tensor& x) { return ops::sin(2.0 * x); };
  EXPECT_NEAR(order_of(errors(wave, true)), 1, 0.2);
  EXPECT_NEAR(order_of(errors(wave, false)), 1.5, 0.2);
}

/// DDIM without noise: x_u = alpha_u x0 + sigma_u e, e = -sigma s.
TEST(DpmSolver, FirstOrderIsDdim) {
  for (const char* name : {"ve", "vp", "subvp"}) {
    const SdePtr sde = sde_named(name);
    const sde::TimeGrid grid = sde::TimeGrid::quadratic(1, 1e-3, 5);
    double x = 0.7;
    for (int i = 0; i < 5; ++i) {
      const double t = grid.t(i), u = grid.t(i + 1);
      const double e = -sde->sigma(t) * score_at(*sde, x, t);
      x = sde->alpha(u) * (x - sde->sigma(t) * e) / sde->alpha(t) + sde->sigma(u) * e;
    }
    const SampleResult r =
        sample_dpm_solver(gaussian_score(sde), *sde, Tensor::full({1, 1}, 0.7, DType::f64), {0},
                          {.grid = grid, .order = DpmOrder::first}, {});
    EXPECT_NEAR(r.x.item(), x, 1e-12);
  }
}

TEST(DpmSolver, DynamicThresholding) {
  // Quantile 0.5 of |-4 ... 4| is 2; of the second row 0.5, below 1.
  const Tensor x =
      Tensor::from(std::vector<double>{-4, -1, 2, 1, 3, 0.5, -0.5, 0.25, 3, -0.125}, {2, 5});
  const Tensor y = dynamic_threshold(x, 0.5);
  const double expected[] = {-1, -0.5, 1, 0.5, 1, 0.5, -0.5, 0.25, 1, -0.125};
  for (size_t i = 0; i < 10; ++i) EXPECT_DOUBLE_EQ(y.span<double>()[i], expected[i]);
  // Between two order statistics: 0.6 of {1, 1, 2, 3, 4} is 2.4.
  EXPECT_DOUBLE_EQ(dynamic_threshold(x, 0.6).span<double>()[1], -1 / 2.4);
  // A score that points far outside the data: the estimates, and so the samples, stay inside.
  for (const char* name : {"vp", "ve"}) {
    const SdePtr sde = sde_named(name);
    const sde::ScoreFn wild = [&](const Tensor& v, std::span<const double> t) {
      const double s2 = std::pow(sde->sigma(t[0]), 2);
      return (1 / s2) * (5.0 * sde->alpha(t[0]) - v);  // E[x0] = 5
    };
    const DpmOptions o{.grid = sde::TimeGrid::uniform_lambda(*sde, 1e-3, 10), .threshold = 0.995};
    const Tensor start = Tensor::full({1, 4}, 0.5, DType::f32);
    const SampleResult r = sample_dpm_solver(wild, *sde, start, {0}, o, {});
    for (const float v : r.x.span<float>()) EXPECT_NEAR(v, 1, 0.02) << name;
  }
  const SdePtr vp = sde_named("vp");
  EXPECT_THROW(dpm_solver(*vp, {.grid = sde::TimeGrid::uniform(1, 1e-3, 5), .threshold = 2}),
               ValueError);
  EXPECT_THROW(dpm_solver(*vp, {.grid = sde::TimeGrid::uniform(1, 0, 5)}), ValueError);
}

TEST(EdmHeun, RefusesOptionsOutOfRange) {
  const SdePtr vp = sde_named("vp");
  const auto grid = sde::TimeGrid::karras(*vp, 1e-3, 5);
  EXPECT_THROW(edm_heun(*vp, {.grid = grid, .churn = -1}), ValueError);
  EXPECT_THROW(edm_heun(*vp, {.grid = grid, .second_stage = 0}), ValueError);
  EXPECT_THROW(edm_heun(*vp, {.grid = grid, .second_stage = 1.1}), ValueError);
}

TEST(Scheme, ObserversSeeTheStateWithAndWithoutNoise) {
  const SdePtr sde = sde_named("vp");
  const auto grid = sde::TimeGrid::uniform(1, 1e-3, 6);
  const Tensor x = Tensor::full({1, 1}, 0.5, DType::f64);
  const Scheme scheme = sra1(*sde, grid);
  const Observer observer = [&](const StepView& v) {
    EXPECT_EQ(v.t, grid.t(v.step));
    EXPECT_EQ(v.steps, 6);
    const Form& form = scheme.steps[static_cast<size_t>(v.step)].next;
    const auto z = [&](int step) {
      return double{normal_at({1, Purpose::predictor, static_cast<uint32_t>(step)}, 5, 0)};
    };
    const double noise = form[Term::noise0] * z(v.step) + form[Term::noise1] * z(v.step + 6);
    EXPECT_NEAR(v.x.item() - v.mean.item(), noise, 1e-12);
    return v.step == 3 ? Verdict::stop : Verdict::go_on;
  };
  const SampleResult r =
      sample_sra1(gaussian_score(sde), *sde, x, {5}, {.grid = grid}, {.seed = 1}, observer);
  EXPECT_FALSE(r.finished);
  EXPECT_EQ(r.evaluations, 8);
}

}  // namespace
}  // namespace ito::samplers
