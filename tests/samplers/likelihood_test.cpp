// Log-likelihood by the probability flow against densities that are known.
#include "samplers/likelihood/log_likelihood.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/matmul/op.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "sde/config.h"

namespace ito::samplers {
namespace {

/// A mixture of normals with equal weights on the plane: means m_k, standard deviation s0. At time
/// t it is a mixture with means alpha m_k and variance v = alpha^2 s0^2 + sigma^2.
struct Mixture {
  std::vector<std::vector<double>> means = {{0.5, -0.2}, {-0.6, 0.1}, {0.1, 0.7}};
  double s0 = 0.25;

  double logp(const sde::Sde& sde, double t, const double* x) const {
    const double a = sde.alpha(t), v = a * a * s0 * s0 + std::pow(sde.sigma(t), 2);
    double sum = 0;
    for (const auto& m : means) {
      const double d2 = std::pow(x[0] - a * m[0], 2) + std::pow(x[1] - a * m[1], 2);
      sum += std::exp(-d2 / (2 * v)) / (2 * std::numbers::pi * v);
    }
    return std::log(sum / static_cast<double>(means.size()));
  }

  /// Responsibilities times the scores of the components, differentiable in x [N, 2].
  sde::ScoreFn score(std::shared_ptr<const sde::Sde> sde) const {
    return [*this, sde](const Tensor& x, std::span<const double> t) {
      // One time for each row; rows at different times are not needed here.
      const double a = sde->alpha(t[0]), v = a * a * s0 * s0 + std::pow(sde->sigma(t[0]), 2);
      Tensors distances, centres;
      for (const auto& m : means) {
        const Tensor c = Tensor::from(std::vector<double>{a * m[0], a * m[1]}, {1, 2});
        distances.push_back(ops::reduce(ops::ReduceKind::sum, ops::square(x - c), {1}));
        centres.push_back(c);
      }
      Tensor pull = Tensor::zeros(x.shape(), DType::f64);
      Tensor total = Tensor::zeros(distances[0].shape(), DType::f64);
      for (size_t k = 0; k < means.size(); ++k) {
        const Tensor w = ops::exp((-1 / (2 * v)) * (distances[k] - distances[0]));
        pull = pull + w * (centres[k] - x);
        total = total + w;
      }
      return (1 / v) * (pull / total);
    };
  }
};

Tensor points() {
  return Tensor::from(std::vector<double>{0.4, -0.1, -0.7, 0.3, 0.0, 0.2, 0.9, 0.9}, {4, 2});
}

LikelihoodOptions tight(Divergence divergence, double tolerance = 1e-7) {
  return {.solver = {.control = StepControl::whole_batch, .rtol = tolerance, .atol = tolerance},
          .divergence = divergence};
}

const std::vector<int64_t> kSamples{0, 1, 2, 3};

class LogLikelihood : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<const sde::Sde> sde_ = sde::make_sde({.name = GetParam(), .sigma_max = 20});
};

/// To 1e-5 bits per dimension: the prior is a mixture, too, so its exact density takes the place of
/// the normal's.
TEST_P(LogLikelihood, MixtureOfNormals) {
  const Mixture mixture;
  const auto options = tight(Divergence::exact);
  const Likelihood l = log_likelihood(mixture.score(sde_), *sde_, points(), kSamples, options);
  for (size_t i = 0; i < 4; ++i) {
    const double* z = l.latent.data<double>() + 2 * i;
    const double got = l.change[i] + mixture.logp(*sde_, sde_->T(), z);
    const double exact = mixture.logp(*sde_, options.eps, points().data<double>() + 2 * i);
    EXPECT_NEAR(got / (2 * std::numbers::ln2), exact / (2 * std::numbers::ln2), 1e-5);
    EXPECT_EQ(l.logp[i], l.prior[i] + l.change[i]);
    EXPECT_NEAR(l.prior[i], sde_->prior_logp(2, z[0] * z[0] + z[1] * z[1]), 1e-12);
  }
}

/// The rows of a Hadamard matrix are probes of +-1 whose average v v' is the identity, so that
/// Hutchinson's estimate with all of them is the trace.
TEST_P(LogLikelihood, AllHadamardProbesGiveTheTrace) {
  const int64_t d = 8;
  Tensor w = Tensor::empty({d, d}, DType::f64);
  for (int64_t i = 0; i < d * d; ++i) w.data<double>()[i] = 0.4 * std::sin(1.3 * double(i) + 0.2);
  const sde::ScoreFn score = [w](const Tensor& x, std::span<const double>) {
    return ops::tanh(ops::matmul(x, w)) - x;
  };
  Tensor x = Tensor::empty({2, d}, DType::f64);
  for (int64_t i = 0; i < 2 * d; ++i) x.data<double>()[i] = std::cos(0.9 * double(i));
  LikelihoodOptions all = tight(Divergence::rademacher);
  for (int64_t k = 0; k < d; ++k) {
    std::vector<double> v;
    for (int64_t i = 0; i < 2 * d; ++i) {
      v.push_back(std::popcount(static_cast<uint64_t>(i % d & k)) % 2 == 0 ? 1 : -1);
    }
    all.recorded.push_back(Tensor::from(v, {2, d}));
  }
  const Likelihood estimate = log_likelihood(score, *sde_, x, {0, 1}, all);
  const Likelihood exact = log_likelihood(score, *sde_, x, {0, 1}, tight(Divergence::exact));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(estimate.change[i], exact.change[i], 1e-10 * std::abs(exact.change[i]));
  }
  all.recorded.resize(3);
  const Likelihood part = log_likelihood(score, *sde_, x, {0, 1}, all);
  EXPECT_GT(std::abs(part.change[0] - exact.change[0]), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(All, LogLikelihood, ::testing::Values("ve", "vp", "subvp"));

/// Probes belong to an image's index, not to its place in the batch.
TEST(Hutchinson, ProbesFollowTheSample) {
  const std::shared_ptr<const sde::Sde> vp = sde::make_sde({.name = "vp"});
  const Mixture mixture;
  LikelihoodOptions o = tight(Divergence::gaussian, 1e-5);
  o.solver.control = StepControl::per_sample;
  o.probes = 2;
  // All rows at the same times: this score takes one time.
  o.solver.control = StepControl::fixed;
  o.solver.steps = 20;
  const Tensor x = points();
  const auto all = log_likelihood(mixture.score(vp), *vp, x, {7, 3, 11, 5}, o);
  const Tensor third = Tensor::from(std::vector<double>{0.0, 0.2}, {1, 2});
  const auto alone = log_likelihood(mixture.score(vp), *vp, third, {11}, o);
  EXPECT_EQ(all.logp[2], alone.logp[0]);
  const auto other = log_likelihood(mixture.score(vp), *vp, third, {12}, o);
  EXPECT_NE(other.logp[0], alone.logp[0]);
}

TEST(BitsPerDim, OffsetsAndSummary) {
  EXPECT_DOUBLE_EQ(bits_per_dim_offset({.bits = 8, .low = 0, .high = 1}), 8);
  EXPECT_DOUBLE_EQ(bits_per_dim_offset({.bits = 8, .low = -1, .high = 1}), 7);
  EXPECT_DOUBLE_EQ(bits_per_dim_offset({.bits = 5, .low = 0, .high = 1}), 5);
  // A uniform density over [0, 1]^d needs all bits.
  EXPECT_DOUBLE_EQ(bits_per_dim(0, 12, {}), 8);
  EXPECT_DOUBLE_EQ(bits_per_dim(3 * std::numbers::ln2, 3, {}), 7);
  const Summary s = summarize({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(s.mean, 3);
  EXPECT_DOUBLE_EQ(s.standard_error, std::sqrt((4 + 1 + 0 + 9) / 3.0 / 4));
}

}  // namespace
}  // namespace ito::samplers
