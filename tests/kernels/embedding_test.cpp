// The embeddings against their formulas: bits where the order of the products decides.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kernels/fourier_embedding/op.h"
#include "kernels/sinusoidal_embedding/op.h"

namespace ito {
namespace {

TEST(FourierEmbedding, MultipliesInTheOrderOfTheReference) {
  const std::vector<float> u = {-4.6051702f, 0.3f, 3.9120231f}, w = {16.7f, -31.3f, 0.011f, 47.9f};
  const std::vector<float> y =
      ops::fourier_embedding(Tensor::from(u, {3}), Tensor::from(w, {4})).to_vector<float>();
  for (size_t n = 0; n < 3; ++n) {
    for (size_t j = 0; j < 4; ++j) {
      const float product = u[n] * w[j];  // rounded
      const float p = (product * 2.0f) * std::numbers::pi_v<float>;
      EXPECT_EQ(y[n * 8 + j], static_cast<float>(std::sin(static_cast<double>(p))));
      EXPECT_EQ(y[n * 8 + 4 + j], static_cast<float>(std::cos(static_cast<double>(p))));
    }
  }
}

TEST(SinusoidalEmbedding, HasSinesThenCosinesThenAZero) {
  const std::vector<double> t = {0, 1, 37.5, 999};
  const std::vector<double> y =
      ops::sinusoidal_embedding(Tensor::from(t, {4}), 7).to_vector<double>();
  const double frequencies[] = {1, 0.01, 0.0001};  // 10000^(-j / 2)
  for (size_t n = 0; n < 4; ++n) {
    for (size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(y[n * 7 + j], std::sin(t[n] * frequencies[j]), 1e-12);
      EXPECT_NEAR(y[n * 7 + 3 + j], std::cos(t[n] * frequencies[j]), 1e-12);
    }
    EXPECT_EQ(y[n * 7 + 6], 0);
  }
}

TEST(SinusoidalEmbedding, FormsArgumentsInFloat) {
  const float t = 987.0f;
  const std::vector<float> y =
      ops::sinusoidal_embedding(Tensor::from(std::vector<float>{t}, {1}), 128).to_vector<float>();
  const auto rate = static_cast<float>(std::log(10000.0) / 63);
  for (size_t j = 0; j < 64; ++j) {
    const float exponent = static_cast<float>(j) * -rate;
    const float w = static_cast<float>(std::exp(static_cast<double>(exponent)));
    const float argument = t * w;
    EXPECT_EQ(y[j], static_cast<float>(std::sin(static_cast<double>(argument)))) << j;
  }
}

}  // namespace
}  // namespace ito
