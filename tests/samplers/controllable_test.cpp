// Controllable generation on Gaussian data, where posteriors are known. A predictor-only run is an
// affine map of its noise, so unit impulses in a batch of their own give mean and covariance of its
// result exactly.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/matmul/op.h"
#include "kernels/noise/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"
#include "samplers/controllable/guidance.h"
#include "samplers/pc.h"
#include "sde/config.h"

namespace ito::samplers {
namespace {

constexpr double kStd = 0.3;
const Shape kImage{4, 6, 3};
constexpr int64_t kPixels = 4 * 6 * 3;

std::vector<int64_t> indices(int64_t n) {
  std::vector<int64_t> list;
  for (int64_t i = 0; i < n; ++i) list.push_back(i);
  return list;
}

Shape batch_of(int64_t n, const Shape& sample) {
  std::vector<int64_t> sizes{n};
  sizes.insert(sizes.end(), sample.sizes().begin(), sample.sizes().end());
  return Shape(std::span<const int64_t>(sizes));
}

Tensor random(const Shape& sample, int64_t n, uint64_t seed) {
  return ops::noise(Tensor::from(indices(n), {n}),
                    {.sample_shape = sample, .dtype = DType::f64, .key = {seed, Purpose::data, 0}});
}

/// Of one sample of y, without the batch.
Shape shape_of(const Tensor& y) { return Shape(y.shape().sizes().subspan(1)); }

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (size_t i = 0; i < a.span<double>().size(); ++i)
    sum += a.span<double>()[i] * b.span<double>()[i];
  return sum;
}

double distance(const Tensor& a, const Tensor& b) {
  const Tensor d = a - b;
  return std::sqrt(dot(d, d));
}

struct Problem {
  const char* name;
  LinearMeasurement (*make)(const Tensor& like);
  int rank;  ///< of A
};

LinearMeasurement box(const Tensor& like) { return inpainting(box_mask(like, 1, 2, 2, 3)); }
LinearMeasurement scattered(const Tensor& like) {
  return inpainting(random_mask(like, 0.5, {5, Purpose::data, 0}));
}
LinearMeasurement colours(const Tensor& like) { return colorization(like); }
LinearMeasurement coarse(const Tensor&) { return super_resolution(2); }
LinearMeasurement sharp_blur(const Tensor& like) { return blur({0.6, 0.2}, 1e-9, like); }
LinearMeasurement wide_blur(const Tensor& like) { return blur({0.4, 0.3}, 0.2, like); }
LinearMeasurement spectrum(const Tensor& like) {
  std::vector<double> known(24, 0.0);
  for (const size_t i : {0u, 1u, 2u, 6u, 7u, 13u, 23u}) known[i] = 1;
  return fourier_subsampling(ops::cast(Tensor::from(known, {4, 6}), like.dtype()));
}
/// Any callables: the mean of all values of an image, y [N, 1].
LinearMeasurement total(const Tensor& like) {
  const Tensor row = Tensor::full({1, kPixels}, 1.0 / kPixels, like.dtype());
  const auto spread = [=](const Tensor& y, double a) {
    return ops::reshape(ops::matmul(y, row) * a, batch_of(y.size(0), kImage));
  };
  return {[=](const Tensor& x) { return ops::linear(ops::flatten(x), row, {}); },
          [=](const Tensor& y) { return spread(y, kPixels); },
          [=](const Tensor& y) { return spread(y, 1); }};
}

constexpr Problem kProblems[] = {
    {"inpainting_box", box, 72 - 18}, {"inpainting_random", scattered, 0},
    {"colorization", colours, 24},    {"super_resolution", coarse, 18},
    {"blur", sharp_blur, 72},         {"blur_cut", wide_blur, 0},
    {"fourier", spectrum, 21},        {"callables", total, 1}};

Tensor like_image(DType dtype = DType::f64) { return Tensor::zeros(batch_of(1, kImage), dtype); }

/// Unit images, one per element.
Tensor unit_images() {
  std::vector<double> list(kPixels * kPixels, 0.0);
  for (size_t i = 0; i < kPixels; ++i) list[i * kPixels + i] = 1;
  return Tensor::from(list, batch_of(kPixels, kImage));
}

/// A+ A, row-major: symmetric, so rows and columns are the same.
std::vector<double> projection_of(const LinearMeasurement& m) {
  return m.pseudo_inverse(m.apply(unit_images())).to_vector<double>();
}

class Measurements : public ::testing::TestWithParam<Problem> {
 protected:
  const LinearMeasurement m_ = GetParam().make(like_image());
};

TEST_P(Measurements, PseudoInverseAndAdjointBelongToTheMeasurement) {
  const Tensor x = random(kImage, 3, 1), ax = m_.apply(x);
  const Tensor y = random(shape_of(ax), 3, 2);
  EXPECT_NEAR(dot(ax, y), dot(x, m_.adjoint(y)), 1e-12);
  const Tensor solved = m_.pseudo_inverse(ax);
  // A cut singular value is below 0.2: that is what A A+ A loses.
  const bool cut = std::strcmp(GetParam().name, "blur_cut") == 0;
  const double lost = distance(m_.apply(solved), ax);
  if (cut) {
    EXPECT_GT(lost, 1e-3);
    EXPECT_LT(lost, 0.2 * std::sqrt(dot(x, x)));
  } else {
    EXPECT_LT(lost, 1e-12);
  }
  EXPECT_LT(distance(m_.pseudo_inverse(m_.apply(solved)), solved), 1e-12);
  if (m_.rows == LinearMeasurement::Rows::orthonormal) {
    EXPECT_LT(distance(m_.adjoint(ax), solved), 1e-12);
  }
}

TEST_P(Measurements, KnownPartIsAnOrthogonalProjection) {
  const std::vector<double> p = projection_of(m_);
  double trace = 0;
  for (size_t i = 0; i < kPixels; ++i) {
    trace += p[i * kPixels + i];
    for (size_t j = 0; j < i; ++j) EXPECT_NEAR(p[i * kPixels + j], p[j * kPixels + i], 1e-12);
  }
  EXPECT_NEAR(trace, std::round(trace), 1e-10);
  if (GetParam().rank > 0) {
    EXPECT_NEAR(trace, GetParam().rank, 1e-10);
  }
  EXPECT_GT(trace, 0.5);
}

/// Mean and covariance of the result of a run whose every draw is an independent normal.
struct Affine {
  std::vector<double> mean, covariance;
};

/// `run(start, draws)` for a batch; draw k of a predictor-only constrained run belongs to the
/// constraint (k = 0 and 2 of each step) or to the predictor (k = 1).
template <class Run>
Affine affine_of(const Run& run, int steps, double prior_std, const Shape& measured) {
  const auto size_of_draw = [&](int k) {
    return k == 0 || (k - 1) % 3 == 1 ? kPixels : measured.numel();
  };
  std::vector<int64_t> first{1};  // sample 0: no noise; then one sample per element of each draw
  for (int k = 0; k <= 3 * steps; ++k) first.push_back(first.back() + size_of_draw(k));
  const int64_t n = first.back();
  const auto impulses = [&](int k, double size) {
    const int64_t d = size_of_draw(k);
    std::vector<double> list(static_cast<size_t>(n * d), 0.0);
    const int64_t start = first[static_cast<size_t>(k)];
    for (int64_t j = 0; j < d; ++j) list[static_cast<size_t>((start + j) * d + j)] = size;
    return Tensor::from(list, batch_of(n, k == 0 || (k - 1) % 3 == 1 ? kImage : measured));
  };
  int used = 0;
  const Tensor x = run(impulses(0, prior_std), [&] { return impulses(++used, 1); });
  EXPECT_EQ(used, 3 * steps);
  const std::span<const double> v = x.span<double>();
  Affine a{{v.begin(), v.begin() + kPixels}, std::vector<double>(kPixels * kPixels, 0.0)};
  for (size_t s = 1; s < static_cast<size_t>(n); ++s) {
    for (size_t i = 0; i < kPixels; ++i) {
      const double effect = v[s * kPixels + i] - a.mean[i];
      if (effect == 0) continue;
      for (size_t j = 0; j < kPixels; ++j)
        a.covariance[i * kPixels + j] += effect * (v[s * kPixels + j] - a.mean[j]);
    }
  }
  return a;
}

std::shared_ptr<const sde::Sde> sde_of(const char* name) {
  return sde::make_sde({.name = name, .sigma_max = 5});
}

/// Data N(mu, s0^2 I): s = -(x - alpha mu) / (alpha^2 s0^2 + sigma^2).
sde::ScoreFn white_score(std::shared_ptr<const sde::Sde> sde, const Tensor& mu) {
  return [=](const Tensor& x, std::span<const double> t) {
    const double a = sde->alpha(t[0]), v = std::pow(a * kStd, 2) + std::pow(sde->sigma(t[0]), 2);
    return (x - a * mu) * (-1 / v);
  };
}

/// A predictor-only run in one dimension with mu = 1: x' = (2 - r) x + G^2 s + G z, r = alpha_t /
/// alpha_next, G^2 = sigma_t^2 - r^2 sigma_next^2.
struct Scalar {
  double mean = 0, variance = 0;
};
Scalar unconstrained(const sde::Sde& sde, const sde::TimeGrid& grid) {
  Scalar m{0, std::pow(sde.prior_std(), 2)};
  for (int i = 0; i < grid.steps(); ++i) {
    const double t = grid.t(i), next = grid.t(i + 1);
    const double a = sde.alpha(t), v = std::pow(a * kStd, 2) + std::pow(sde.sigma(t), 2);
    const double r = a / sde.alpha(next);
    const double g2 = std::pow(sde.sigma(t), 2) - std::pow(r * sde.sigma(next), 2);
    const double slope = 2 - r - g2 / v;
    m = {slope * m.mean + g2 * a / v, slope * slope * m.variance + g2};
  }
  return m;
}
Scalar denoised(const sde::Sde& sde, double t, Scalar m) {
  const double a = sde.alpha(t), s2 = std::pow(sde.sigma(t), 2), v = std::pow(a * kStd, 2) + s2;
  const double slope = (1 - s2 / v) / a;
  return {slope * m.mean + s2 / v, slope * slope * m.variance};
}

/// Mean unknown.mean (I - P) mu + known.mean A+ y, covariance of the two parts likewise.
void expect_parts(const Affine& got, const std::vector<double>& p, Scalar unknown, Scalar known,
                  const Tensor& mu, const Tensor& in_image) {
  for (size_t i = 0; i < kPixels; ++i) {
    double mean = known.mean * in_image.span<double>()[i];
    for (size_t j = 0; j < kPixels; ++j) {
      const double one = i == j ? 1 : 0, share = p[i * kPixels + j];
      mean += unknown.mean * (one - share) * mu.span<double>()[j];
      const double covariance = unknown.variance * (one - share) + known.variance * share;
      ASSERT_NEAR(got.covariance[i * kPixels + j], covariance, 1e-10) << i << " " << j;
    }
    ASSERT_NEAR(got.mean[i], mean, 1e-10) << i;
  }
}

class Posterior : public ::testing::TestWithParam<std::tuple<Problem, const char*>> {
 protected:
  Affine run(const PcOptions& o) {
    const auto score = white_score(sde_, mu_);
    return affine_of(
        [&](const Tensor& start, const std::function<Tensor()>& draws) {
          PcOptions options = o;
          options.constraint->y = y_ * Tensor::full({start.size(0), 1, 1, 1}, 1, DType::f64);
          if (y_.rank() == 2)
            options.constraint->y = y_ * Tensor::full({start.size(0), 1}, 1, DType::f64);
          return sample_pc(score, *sde_, start, indices(start.size(0)), options,
                           {.recorded = draws})
              .x;
        },
        o.grid.steps(), sde_->prior_std(),
        m_.rows == LinearMeasurement::Rows::orthonormal ? shape_of(y_) : kImage);
  }
  PcOptions options(const char* denoise, ConstraintRule rule) const {
    PcOptions o = pc_options({.steps = 4, .denoise = denoise, .eps = 0.02}, *sde_);
    o.constraint = {m_, y_, 1, rule};
    return o;
  }

  const LinearMeasurement m_ = std::get<0>(GetParam()).make(like_image());
  const std::shared_ptr<const sde::Sde> sde_ = sde_of(std::get<1>(GetParam()));
  const Tensor mu_ = random(kImage, 1, 3);
  const Tensor y_ = m_.apply(random(kImage, 1, 4));
  const Tensor in_image_ = m_.pseudo_inverse(y_);
  const std::vector<double> p_ = projection_of(m_);
};

// With white data the posterior given y = A x is A+ y + (I - A+ A) N(mu, s0^2 I): the unknown part
// runs as if alone, the known part is the data.
TEST_P(Posterior, UnknownPartRunsAloneAndKnownPartIsTheData) {
  const PcOptions o = options("tweedie", ConstraintRule::exact);
  const Scalar alone = denoised(*sde_, 0.02, unconstrained(*sde_, o.grid));
  expect_parts(run(o), p_, alone, {1, 0}, mu_, in_image_);
}

TEST_P(Posterior, KnownPartHasTheNoiseOfTheTimeReached) {
  const PcOptions o = options("none", ConstraintRule::exact);
  const Scalar known{sde_->alpha(0.02), std::pow(sde_->sigma(0.02), 2)};
  expect_parts(run(o), p_, unconstrained(*sde_, o.grid), known, mu_, in_image_);
}

TEST_P(Posterior, ReferenceRuleLeavesTheLastNoiseInTheUnknownPartOfTheMean) {
  PcOptions o = options("mean", ConstraintRule::reference);
  const double t = o.grid.t(o.grid.steps() - 1);  // one step late, and not noise-free data
  expect_parts(run(o), p_, unconstrained(*sde_, o.grid), {sde_->alpha(t), 0}, mu_, in_image_);
  o.constraint->rule = ConstraintRule::exact;  // the last draw's variance is missing
  Scalar without = unconstrained(*sde_, o.grid);
  const sde::TimeStep last = o.grid.step(o.grid.steps() - 1);
  without.variance -= std::pow(reverse_diffusion(*sde_, last, {}).noise, 2);
  expect_parts(run(o), p_, without, {1, 0}, mu_, in_image_);
}

INSTANTIATE_TEST_SUITE_P(All, Measurements, ::testing::ValuesIn(kProblems),
                         [](const auto& row) { return std::string(row.param.name); });
INSTANTIATE_TEST_SUITE_P(All, Posterior,
                         ::testing::Combine(::testing::ValuesIn(kProblems),
                                            ::testing::Values("ve", "vp")),
                         [](const auto& row) {
                           return std::string(std::get<0>(row.param).name) + "_" +
                                  std::get<1>(row.param);
                         });

TEST(Posterior, FineGridsReachTheVarianceOfTheData) {
  // The recursion that the tests above compare with tends to the posterior itself.
  for (const char* name : {"ve", "vp"}) {
    const auto sde = sde_of(name);
    const sde::TimeGrid grid = sde::TimeGrid::uniform(1, 1e-4, 20000);
    const Scalar m = denoised(*sde, 1e-4, unconstrained(*sde, grid));
    EXPECT_NEAR(m.mean, 1, 2e-2) << name;
    EXPECT_NEAR(m.variance, kStd * kStd, 2e-3) << name;
  }
}

// Two pixels with correlation rho, one of them known: replacement alone does not know of the
// correlation, but corrections at small noise sample the posterior. (One correction per step:
// within several, the known pixel moves, too.)
TEST(Inpainting, CorrectionsFindTheConditionalOfCorrelatedPixels) {
  const auto ve = sde::make_sde({.name = "ve", .sigma_min = 0.01, .sigma_max = 5});
  constexpr double kRho = 0.8, kKnown = 0.5;
  constexpr int64_t kSamples = 2000;
  const sde::ScoreFn score = [&](const Tensor& x, std::span<const double> t) {
    // -C^-1 x with C = s0^2 [1, rho; rho, 1] + sigma^2 I.
    const double d = kStd * kStd + std::pow(ve->sigma(t[0]), 2), o = kRho * kStd * kStd;
    const double det = d * d - o * o;
    const Tensor precision =
        Tensor::from(std::vector<double>{-d / det, o / det, o / det, -d / det}, {2, 2});
    return ops::reshape(ops::matmul(ops::reshape(x, {x.size(0), 2}), precision), x.shape());
  };
  PcOptions o = pc_options(
      {.corrector = "ald", .steps = 1000, .snr = 0.5, .denoise = "none", .eps = 0.01}, *ve);
  const Tensor mask = Tensor::from(std::vector<double>{1, 0}, {1, 1, 2, 1});
  o.constraint = {inpainting(mask), Tensor::full({kSamples, 1, 2, 1}, kKnown, DType::f64)};
  const NoiseSource noise{.seed = 2};
  const auto samples = indices(kSamples);
  const Tensor start = prior_sample(*ve, {1, 2, 1}, samples, noise, DType::f64);
  const Tensor x = sample_pc(score, *ve, start, samples, o, noise).x;
  double mean = 0, squares = 0;
  for (size_t n = 0; n < kSamples; ++n) mean += x.span<double>()[2 * n + 1] / kSamples;
  for (size_t n = 0; n < kSamples; ++n)
    squares += std::pow(x.span<double>()[2 * n + 1] - mean, 2) / kSamples;
  // N(rho x_1, s0^2 (1 - rho^2)): five standard errors, and 2% for the noise at which the
  // corrections cease to be felt (sigma near 0.03, sigma^2 / s0^2 = 1%).
  const double variance = kStd * kStd * (1 - kRho * kRho);
  EXPECT_NEAR(mean, kRho * kKnown, 5 * std::sqrt(variance / kSamples) + 0.02 * kRho * kKnown);
  EXPECT_NEAR(squares, variance, variance * (5 * std::sqrt(2.0 / kSamples) + 0.02));
}

TEST(Constraint, KnownPixelsAreMetExactly) {
  const auto sde = sde_of("vp");
  const Tensor like = like_image(DType::f32), mask = box_mask(like, 0, 0, 2, 2);
  const Tensor y = ops::cast(random(kImage, 2, 6), DType::f32);
  for (const char* denoise : {"tweedie", "mean"}) {
    PcOptions o = pc_options({.corrector = "langevin", .steps = 25, .denoise = denoise}, *sde);
    o.constraint = {inpainting(mask), y};
    const sde::ScoreFn score = white_score(sde, Tensor::zeros(batch_of(1, kImage), DType::f32));
    const Tensor start = prior_sample(*sde, kImage, {4, 5}, {.seed = 1});
    const Tensor x = sample_pc(score, *sde, start, {4, 5}, o, {.seed = 1}).x;
    EXPECT_EQ((x * mask).to_vector<float>(), (y * mask).to_vector<float>());
    EXPECT_NE(x.to_vector<float>(), y.to_vector<float>());
  }
}

TEST(Constraint, ASampleDependsOnItsIndexAloneBitForBit) {
  const auto sde = sde_of("ve");
  const Tensor like = like_image(DType::f32);
  const sde::ScoreFn score = white_score(sde, Tensor::zeros(batch_of(1, kImage), DType::f32));
  for (const Problem& problem : kProblems) {
    const LinearMeasurement m = problem.make(like);
    const auto run = [&](const std::vector<int64_t>& samples) {
      const Tensor images =
          ops::noise(Tensor::from(samples, {static_cast<int64_t>(samples.size())}),
                     {.sample_shape = kImage, .key = {2, Purpose::data, 0}});
      PcOptions o = pc_options({.corrector = "langevin", .steps = 6}, *sde);
      o.constraint = {m, m.apply(images)};
      const NoiseSource noise{.seed = 8};
      const Tensor prior = prior_sample(*sde, kImage, samples, noise);
      const Tensor start = constrained_start(*o.constraint, *sde, prior, samples, noise);
      return sample_pc(score, *sde, start, samples, o, noise).x.to_vector<float>();
    };
    const auto all = run({5, 1000000, 7}), one = run({7});
    EXPECT_EQ(std::memcmp(one.data(), all.data() + 2 * kPixels, kPixels * sizeof(float)), 0)
        << problem.name;
    EXPECT_NE(std::memcmp(one.data(), all.data(), kPixels * sizeof(float)), 0);
  }
}

TEST(Constraint, StartsHaveTheNoiseOfTheFirstTime) {
  const auto sde = sde_of("vp");
  const LinearMeasurement m = super_resolution(2);
  const Tensor prior = random(kImage, 1, 1), z = random(kImage, 1, 2);
  DataConstraint c{m, m.apply(random(kImage, 1, 3))};
  const NoiseSource noise{.recorded = [&] { return z; }};
  const auto known = [&](const Tensor& x) { return m.pseudo_inverse(m.apply(x)); };
  const Tensor exact = constrained_start(c, *sde, prior, {0}, noise);
  const Tensor in_image = m.pseudo_inverse(c.y), rest = prior - known(prior);
  EXPECT_LT(distance(exact, rest + sde->alpha(1) * in_image + sde->sigma(1) * known(z)), 1e-12);
  c.rule = ConstraintRule::reference;
  EXPECT_LT(distance(constrained_start(c, *sde, prior, {0}, noise), rest + in_image), 1e-12);
}

TEST(Constraint, AWeightMovesPartOfTheWay) {
  const auto sde = sde_of("vp");
  const LinearMeasurement m = colorization(like_image());
  const NoiseLevel level{0.6, 0.5};
  const Tensor x = random(kImage, 2, 1), mean = random(kImage, 2, 2);
  const Tensor y = m.apply(random(kImage, 2, 3)), z = random({4, 6, 1}, 2, 4);
  for (const double weight : {0.0, 0.3, 1.0}) {
    const DataConstraint c{m, y, weight};
    const ImposedData data(c, std::span(&level, 1), {0, 1}, {.recorded = [&] { return z; }}, x);
    const ops::StepResult got = data.impose({x, mean});
    const Tensor noisy = 0.6 * y + 0.5 * z;
    EXPECT_LT(distance(got.x, x + weight * m.adjoint(noisy - m.apply(x))), 1e-12);
    EXPECT_LT(distance(got.mean, mean + weight * m.adjoint(0.6 * y - m.apply(mean))), 1e-12);
    EXPECT_LT(distance(data.impose_clean(x), x + weight * m.adjoint(y - m.apply(x))), 1e-12);
  }
}

TEST(Constraint, MisuseIsRefused) {
  const LinearMeasurement m = super_resolution(2);
  const Tensor x = random(kImage, 2, 1);
  const NoiseLevel level{1, 1};
  const auto make = [&](const DataConstraint& c) {
    return ImposedData(c, std::span(&level, 1), {0, 1}, {}, x);
  };
  EXPECT_THROW(make({m, m.apply(x), 1.5}), ValueError);
  EXPECT_THROW(make({m, m.apply(random(kImage, 3, 1))}), ShapeError);
  EXPECT_THROW(box_mask(x, 3, 0, 2, 2), ValueError);
  EXPECT_THROW(blur({0.5, 0.2, 0.1}, 0, x), ValueError);  // five taps, four rows
  EXPECT_THROW(blur({0.0}, 0, x), ValueError);
  EXPECT_THROW(gaussian_taps(0), ValueError);
  EXPECT_THROW(fourier_subsampling(x), ShapeError);
}

TEST(Colours, BasisIsThePublishedOne) {
  const Tensor m = colour_basis(like_image());
  const std::vector<double> published{0.57735014, -0.81649649, 4.7008697e-08,
                                      0.57735026, 0.40824834,  0.70710671,
                                      0.57735026, 0.40824822,  -0.70710683};
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(m.span<double>()[i], published[i], 2e-7);
  const Tensor product = ops::matmul(m, m, {.a = ops::Transpose::yes});
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(product.span<double>()[i], i % 4 == 0, 1e-15);
  const Tensor x = random(kImage, 1, 1);
  const Tensor first = ops::matmul(x, m), y = colorization(x).apply(x);
  for (size_t i = 0; i < 24; ++i)
    EXPECT_NEAR(y.span<double>()[i], first.span<double>()[3 * i], 1e-15);
}

TEST(Blur, IsThePeriodicConvolution) {
  const Tensor x = random({5, 7, 2}, 1, 1), y = blur({0.5, 0.3, -0.1}, 0, x).apply(x);
  const double taps[] = {-0.1, 0.3, 0.5, 0.3, -0.1};
  const auto at = [](int h, int w, int c) { return static_cast<size_t>((h * 7 + w) * 2 + c); };
  for (int h = 0; h < 5; ++h) {
    for (int w = 0; w < 7; ++w) {
      for (int c = 0; c < 2; ++c) {
        double sum = 0;
        for (int i = 0; i < 5; ++i) {
          for (int j = 0; j < 5; ++j)
            sum += taps[i] * taps[j] * x.span<double>()[at((h + i + 3) % 5, (w + j + 5) % 7, c)];
        }
        EXPECT_NEAR(y.span<double>()[at(h, w, c)], sum, 1e-12);
      }
    }
  }
  double sum = 0;
  const std::vector<double> gauss = gaussian_taps(1.5);
  for (size_t m = 0; m < gauss.size(); ++m) sum += m == 0 ? gauss[0] : 2 * gauss[m];
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_EQ(gauss.size(), 5u);
  EXPECT_NEAR(gauss[1] / gauss[0], std::exp(-0.5 / 2.25), 1e-12);
}

TEST(FourierSubsampling, MeasuresCosinesAndSines) {
  // Rows of 4: 1/2, cos and sin of one period over sqrt 2, alternating signs over 2. Of 3:
  // likewise.
  const Tensor x = random({4, 3, 1}, 1, 1);
  const Tensor y = fourier_subsampling(Tensor::full({4, 3}, 1, DType::f64)).apply(x);
  const double turn = 2 * std::numbers::pi;
  const auto expect = [&](size_t i, size_t j, auto along_h, auto along_w) {
    double sum = 0;
    for (size_t h = 0; h < 4; ++h) {
      for (size_t w = 0; w < 3; ++w)
        sum += along_h(static_cast<double>(h)) * along_w(static_cast<double>(w)) *
               x.span<double>()[h * 3 + w];
    }
    EXPECT_NEAR(y.span<double>()[i * 3 + j], sum, 1e-12) << i << " " << j;
  };
  const auto constant3 = [](double) { return 1 / std::sqrt(3.0); };
  expect(
      0, 0, [](double) { return 0.5; }, constant3);
  expect(
      1, 0, [&](double h) { return std::cos(turn * h / 4) / std::sqrt(2.0); }, constant3);
  expect(
      2, 1, [&](double h) { return std::sin(turn * h / 4) / std::sqrt(2.0); },
      [&](double w) { return std::cos(turn * w / 3) * std::sqrt(2.0 / 3); });
  expect(
      3, 2, [](double h) { return std::fmod(h, 2) == 0 ? 0.5 : -0.5; },
      [&](double w) { return std::sin(turn * w / 3) * std::sqrt(2.0 / 3); });
}

TEST(Masks, RandomOnesAreFixedByTheirKeyAndKeepTheirShare) {
  const Tensor like = Tensor::zeros({1, 100, 100, 3}, DType::f32);
  const auto mask = [&](uint64_t seed) {
    return random_mask(like, 0.3, {seed, Purpose::data, 0}).to_vector<float>();
  };
  EXPECT_EQ(mask(1), mask(1));
  EXPECT_NE(mask(1), mask(2));
  double sum = 0;
  for (const float v : mask(1)) sum += v;
  EXPECT_NEAR(sum / 1e4, 0.3, 5 * std::sqrt(0.3 * 0.7 / 1e4));
}

/// Data N(mu, s0^2) per element; y = x + sigma_y n: both p_t(y|x) and the posterior are normal.
TEST(Guidance, TheExactGradientGivesTheScoreOfThePosterior) {
  const auto sde = sde_of("vp");
  const double mu = 0.4, sigma_y = 0.2, y = 0.9;
  const double gain = kStd * kStd / (kStd * kStd + sigma_y * sigma_y);
  const double post_mean = mu + gain * (y - mu), post_variance = (1 - gain) * kStd * kStd;
  const sde::ScoreFn score = white_score(sde, Tensor::full({1}, mu, DType::f64));
  const Guidance likelihood = [&](const Tensor& x, std::span<const double> t) {
    // y | x_t is normal: E[x_0 | x_t] is linear in x_t.
    const double a = sde->alpha(t[0]), v = std::pow(a * kStd, 2) + std::pow(sde->sigma(t[0]), 2);
    const double slope = a * kStd * kStd / v;
    const double variance = kStd * kStd - slope * a * kStd * kStd + sigma_y * sigma_y;
    return (slope / variance) * (y - (mu + slope * (x - a * mu)));
  };
  const Tensor x = random({3}, 2, 1);
  for (const double t : {0.01, 0.3, 1.0}) {
    const double a = sde->alpha(t), v = a * a * post_variance + std::pow(sde->sigma(t), 2);
    const Tensor expected = (x - a * post_mean) * (-1 / v);
    EXPECT_LT(distance(guided(score, likelihood)(x, std::span(&t, 1)), expected), 1e-10);
    const Tensor twice = score(x, std::span(&t, 1)) + 2.0 * likelihood(x, std::span(&t, 1));
    EXPECT_LT(distance(guided(score, likelihood, 2)(x, std::span(&t, 1)), twice), 1e-12);
  }
  // A run with it ends at the posterior: the deterministic one at its mean, from a mean start.
  const PcOptions o = pc_options({.predictor = "ddim", .steps = 400, .eps = 1e-3}, *sde);
  const Tensor start = Tensor::full({1, 1}, sde->alpha(1) * post_mean, DType::f64);
  const Tensor end = sample_pc(guided(score, likelihood), *sde, start, {0}, o, {}).x;
  EXPECT_NEAR(end.item(), post_mean, 1e-3);
}

TEST(Guidance, ClassifierFreeExtrapolates) {
  const sde::ScoreFn conditional = [](const Tensor& x, std::span<const double>) { return 2.0 * x; };
  const sde::ScoreFn unconditional = [](const Tensor& x, std::span<const double>) {
    return x + 1.0;
  };
  const Tensor x = random({3}, 2, 1);
  const double t = 0.5;
  const Tensor got = classifier_free(conditional, unconditional, 0.7)(x, std::span(&t, 1));
  EXPECT_LT(distance(got, 1.7 * (2.0 * x) - 0.7 * (x + 1.0)), 1e-12);
}

TEST(Guidance, OfANoisyMeasurementIsTheGradientOfItsLogDensity) {
  for (const char* name : {"ve", "vp"}) {
    const auto sde = sde_of(name);
    const double sigma_y = 0.3, times[] = {0.2, 0.7};
    for (const Problem& problem : kProblems) {
      const LinearMeasurement m = problem.make(like_image());
      const Tensor x = random(kImage, 2, 1), y = m.apply(random(kImage, 2, 2));
      const Guidance guidance = likelihood_guidance(sde, m, y, sigma_y);
      // log N(y; A x / alpha, (sigma_y^2 + sigma^2 / alpha^2) I), summed over the samples.
      const auto log_density = [&](const Tensor& at) {
        double sum = 0;
        const Tensor ax = m.apply(at);
        const auto d = static_cast<size_t>(shape_of(y).numel());
        for (size_t i = 0; i < 2 * d; ++i) {
          const double a = sde->alpha(times[i / d]), s = sde->sigma(times[i / d]);
          const double residual = y.span<double>()[i] - ax.span<double>()[i] / a;
          sum -= 0.5 * residual * residual / (sigma_y * sigma_y + s * s / (a * a));
        }
        return sum;
      };
      // Quadratic, so central differences are exact up to rounding.
      const Tensor direction = random(kImage, 2, 3);
      const double slope = 0.5 * (log_density(x + direction) - log_density(x - direction));
      EXPECT_NEAR(dot(guidance(x, times), direction), slope, 1e-9 * (1 + std::abs(slope)))
          << problem.name;
      const Tensor row = Tensor::from(std::vector<int64_t>{1}, {1});
      EXPECT_LT(distance(guidance.tabulate(times, x)(x, row), guidance(x, std::span(times + 1, 1))),
                1e-12);
    }
  }
}

TEST(Guidance, IsTabulatedWhereBothScoresAre) {
  const auto sde = sde_of("vp");
  const auto network = [](const Tensor& x, const Tensor&) { return 0.5 * x; };
  const sde::ScoreFn score = sde::make_score(network, sde, {});
  const LinearMeasurement m = super_resolution(2);
  const Tensor x = random(kImage, 2, 1);
  const sde::ScoreFn both = guided(score, likelihood_guidance(sde, m, m.apply(x), 0.1), 0.8);
  ASSERT_TRUE(both.can_tabulate());
  const double times[] = {0.9, 0.4};
  const Tensor row = Tensor::from(std::vector<int64_t>{1}, {1});
  EXPECT_LT(distance(both.tabulate(times, x)(x, row), both(x, std::span(times + 1, 1))), 1e-12);
  EXPECT_FALSE(
      guided(score, [](const Tensor& at, std::span<const double>) { return at; }).can_tabulate());
}

}  // namespace
}  // namespace ito::samplers
