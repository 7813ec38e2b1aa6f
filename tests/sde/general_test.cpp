// SDEs with tensor coefficients, and Brownian paths.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/binary/op.h"
#include "kernels/broadcast_to/op.h"
#include "kernels/concat/op.h"
#include "kernels/reshape/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"
#include "sde/general/general_sde.h"
#include "tests/support/order.h"

namespace ito::sde {
namespace {

using testing::order_of;

std::vector<int64_t> indices(int64_t count) {
  std::vector<int64_t> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

BrownianConfig path_of(int64_t samples, double T = 1) {
  return {.T = T, .sample_shape = {1}, .samples = indices(samples), .seed = 5, .dtype = DType::f64};
}

TEST(BrownianPath, RefinementKeepsThePath) {
  const BrownianPath path(path_of(7, 2));
  for (int level = 0; level < 6; ++level) {
    const auto coarse = path.increments(level), fine = path.increments(level + 1);
    ASSERT_EQ(coarse.size(), size_t{1} << level);
    for (size_t j = 0; j < coarse.size(); ++j) {
      for (size_t n = 0; n < 7; ++n) {
        const double sum = fine[2 * j].span<double>()[n] + fine[2 * j + 1].span<double>()[n];
        EXPECT_NEAR(sum, coarse[j].span<double>()[n], 1e-15);
      }
    }
  }
}

// Levy's construction is a linear map of the draws: its rows must be orthogonal and of length h, so
// that increments are independent with variance h. The draws are recovered from the path itself.
TEST(BrownianPath, IncrementsAreIndependentWithVarianceH) {
  const int64_t samples = 40000;
  const BrownianPath path(path_of(samples, 2));
  const auto w = path.increments(2);
  EXPECT_EQ(path.step(2), 0.5);
  for (size_t i = 0; i < w.size(); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (size_t n = 0; n < samples; ++n) {
        sum += w[i].span<double>()[n] * w[j].span<double>()[n];
      }
      // Five standard errors of a mean of products of normals with variance 1/2.
      EXPECT_NEAR(sum / samples, i == j ? 0.5 : 0, 5 * 0.5 * std::sqrt(2.0 / samples));
    }
  }
}

TEST(BrownianPath, ASampleIsItsOwnInAnyBatch) {
  BrownianConfig one = path_of(1);
  one.samples = {3};
  const auto alone = BrownianPath(one).increments(3), all = BrownianPath(path_of(5)).increments(3);
  for (size_t j = 0; j < alone.size(); ++j) EXPECT_EQ(alone[j].item(), all[j].span<double>()[3]);
  EXPECT_THROW(BrownianPath(path_of(5)).increments(21), ValueError);
  EXPECT_THROW(BrownianPath(path_of(0)), ValueError);
}

/// Strong error at T = 1 of dx = a x dt + b x dw against x0 exp((a - b^2/2) T + b W).
std::vector<double> geometric_errors(ForwardRule rule) {
  const double a = 0.8, b = 0.7;
  const GeneralSde gbm{.drift = [=](const Tensor& x, double) { return a * x; },
                       .diffusion = [=](const Tensor& x, double) { return b * x; },
                       .kind = Diffusion::diagonal};
  const int64_t n = 4000;
  const BrownianPath path(path_of(n));
  const Tensor x0 = Tensor::full({n, 1}, 1, DType::f64);
  const Tensor w = path.increments(0)[0];
  std::vector<double> errors;
  for (int level = 4; level <= 8; ++level) {
    const auto states = simulate(gbm, x0, 0, path.step(level), path.increments(level), rule);
    EXPECT_EQ(states.size(), (size_t{1} << level) + 1);
    double squares = 0;
    for (size_t i = 0; i < n; ++i) {
      const double exact = std::exp(a - b * b / 2 + b * w.span<double>()[i]);
      squares += std::pow(states.back().span<double>()[i] - exact, 2);
    }
    errors.push_back(std::sqrt(squares / n));
  }
  return errors;
}

TEST(GeneralSde, StrongOrdersOnGeometricBrownianMotion) {
  EXPECT_NEAR(order_of(geometric_errors(ForwardRule::euler_maruyama)), 0.5, 0.2);
  EXPECT_NEAR(order_of(geometric_errors(ForwardRule::milstein)), 1.0, 0.2);
}

Tensor column(const Tensor& x, int j) { return ops::slice(x, 1, j, j + 1); }

/// G = [[x1, 1], [0, x0 x1]] of rows (x0, x1).
GeneralSde matrix_sde() {
  return {.drift = [](const Tensor& x, double t) { return t * x; },
          .diffusion =
              [](const Tensor& x, double) {
                const Tensor a = column(x, 0), b = column(x, 1);
                return ops::reshape(ops::concat({b, 0.0 * a + 1.0, 0.0 * a, a * b}, 1),
                                    {x.size(0), 2, 2});
              },
          .kind = Diffusion::matrix};
}

TEST(GeneralSde, MatrixDiffusion) {
  const Tensor x = Tensor::from(std::vector<double>{0.5, -2, 3, 0.25}, {2, 2});
  const Tensor s = Tensor::from(std::vector<double>{1, 0.5, -1, 2}, {2, 2});
  const GeneralSde sde = matrix_sde();
  const double t = 0.5;
  const Tensor div = diffusion_divergence(sde, x, t), reverse = reverse_drift(sde, x, t, s),
               flow = flow_drift(sde, x, t, s);
  const Tensor dw = Tensor::from(std::vector<double>{0.1, 0.2, -0.3, 0.4}, {2, 2});
  const Tensor next = simulate(sde, x, t, 0.01, {dw}).back();
  for (size_t n = 0; n < 2; ++n) {
    const double a = x.span<double>()[2 * n], b = x.span<double>()[2 * n + 1];
    const double s0 = s.span<double>()[2 * n], s1 = s.span<double>()[2 * n + 1];
    // GG' = [[b^2 + 1, a b], [a b, a^2 b^2]].
    const double d[] = {a, b + 2 * a * a * b};
    const double gs[] = {(b * b + 1) * s0 + a * b * s1, a * b * s0 + a * a * b * b * s1};
    const double w0 = dw.span<double>()[2 * n], w1 = dw.span<double>()[2 * n + 1];
    const double moved[] = {b * w0 + w1, a * b * w1};
    for (size_t i = 0; i < 2; ++i) {
      const double f = t * x.span<double>()[2 * n + i];
      EXPECT_NEAR(div.span<double>()[2 * n + i], d[i], 1e-13);
      EXPECT_NEAR(reverse.span<double>()[2 * n + i], f - d[i] - gs[i], 1e-13);
      EXPECT_NEAR(flow.span<double>()[2 * n + i], f - 0.5 * d[i] - 0.5 * gs[i], 1e-13);
      EXPECT_NEAR(next.span<double>()[2 * n + i], x.span<double>()[2 * n + i] + 0.01 * f + moved[i],
                  1e-13);
    }
  }
}

/// The same diffusion g(x0) I as number, diagonal and matrix.
TEST(GeneralSde, KindsAgree) {
  const auto g = [](const Tensor& x) { return ops::sin(column(x, 0)) + 2.0; };
  const auto drift = [](const Tensor& x, double) { return -x; };
  const GeneralSde scalar{drift, [=](const Tensor& x, double) { return g(x); }, Diffusion::scalar};
  const GeneralSde diagonal{
      drift, [=](const Tensor& x, double) { return ops::broadcast_to(g(x), x.shape()); },
      Diffusion::diagonal};
  const GeneralSde matrix{
      drift,
      [=](const Tensor& x, double) {
        const Tensor zero = 0.0 * g(x);
        return ops::reshape(ops::concat({g(x), zero, zero, g(x)}, 1), {x.size(0), 2, 2});
      },
      Diffusion::matrix};
  const Tensor x = Tensor::from(std::vector<double>{0.3, 1, -2, 0.7}, {2, 2});
  const Tensor s = Tensor::from(std::vector<double>{1, 2, 3, 4}, {2, 2});
  const auto expected = reverse_drift(scalar, x, 0, s).to_vector<double>();
  for (const GeneralSde& other : {diagonal, matrix}) {
    const auto got = reverse_drift(other, x, 0, s).to_vector<double>();
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], expected[i], 1e-13);
  }
  EXPECT_THROW(simulate(scalar, x, 0, 0.1, {s}, ForwardRule::milstein), ValueError);
}

// f = (g^2)' / 2 + g^2 s / 2 leaves p invariant and is reversible: the process backwards in time is
// the process itself, and its probability flow stands still. p = N(0, 1), g^2 = (1 + x^2 / 2)^2.
TEST(GeneralSde, AReversibleDiffusionIsItsOwnReverse) {
  const auto g = [](const Tensor& x) { return 0.5 * (x * x) + 1.0; };
  const GeneralSde sde{
      .drift = [=](const Tensor& x, double) { return g(x) * x - 0.5 * (g(x) * g(x) * x); },
      .diffusion = [=](const Tensor& x, double) { return g(x); },
      .kind = Diffusion::diagonal};
  const Tensor x = Tensor::from(std::vector<double>{-1.5, 0.2, 2}, {3, 1});
  const ScoreFn score = [](const Tensor& y, std::span<const double>) { return -y; };
  const GeneralSde back = reversed(sde, score, 1);
  const Tensor forward = sde.drift(x, 0.3), reverse = back.drift(x, 0.7),
               flow = flow_drift(sde, x, 0.3, -x);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(reverse.span<double>()[i], forward.span<double>()[i], 1e-13);
    EXPECT_NEAR(flow.span<double>()[i], 0, 1e-13);
  }
}

}  // namespace
}  // namespace ito::sde
