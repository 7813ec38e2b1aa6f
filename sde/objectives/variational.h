// The variational bound on -ln p(x_0) of a diffusion chain (Ho et al. 2020, eq. 5), and the hybrid
// loss of improved DDPM (Nichol and Dhariwal 2021, section 3):
//   L = KL(q(x_{N-1} | x_0) | N(0, I)) + sum over i > 0 of KL(q(x_{i-1} | x_i, x_0) | p(x_{i-1} |
//       x_i)) - ln p(x_0 | x_{i=0}),
// with normal p of the mean that the predicted noise implies. The network is told the index i and
// predicts the noise; with learned variances it has twice the channels, noise first.
#pragma once

#include "engine/random/noise.h"
#include "sde/objectives/diffusion_chain.h"
#include "sde/score.h"

namespace ito::sde {

/// Variance of p(x_{i-1} | x_i). `learned`: exp(v ln beta + (1 - v) ln posterior), v = (output + 1)
/// / 2 per element. The first step has the posterior variance of the second instead of 0.
enum class ReverseVariance : uint8_t { posterior, beta, learned };

struct VariationalOptions {
  ReverseVariance variance = ReverseVariance::posterior;
  int bits = 8;  ///< of the data, in [1, 16]: 2^bits equally spaced values from -1 to 1
};

/// -ln p(x_0 | mean, variance) of each element: the normal's mass in the bin around x_0, which for
/// the outermost values reaches to infinity (Ho et al. 2020, eq. 13). The normal's distribution
/// function is 1/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), as in the published code: within
/// 3.1e-4 of the true one, and the bins still sum to 1 exactly.
Tensor decoder_nll(const Tensor& x0, const Tensor& mean, const Tensor& log_variance, int bits);

/// KL(N(mean_a, e^log_a) | N(mean_b, e^log_b)) of each element, in nats.
Tensor normal_kl(const Tensor& mean_a, const Tensor& log_a, const Tensor& mean_b,
                 const Tensor& log_b);

/// Term i of the bound of each sample [N], in nats over all elements: the decoder's for index 0, a
/// KL for the others. `output` is the network's at x_i = sqrt(abar) x_0 + sqrt(1 - abar) z.
Tensor variational_terms(const DiffusionChain& chain, const Tensor& output, const Tensor& x0,
                         const Tensor& xi, std::span<const int> indices,
                         const VariationalOptions& options);

/// The first summand of L of each sample [N], in nats. No network is in it.
Tensor prior_kl(const DiffusionChain& chain, const Tensor& x0);

/// A draw x_i of every sample, and its noise.
struct ChainDraw {
  Tensor xi, z;
};
ChainDraw draw_chain(const DiffusionChain& chain, const Tensor& x0, std::span<const int> indices,
                     const Tensor& samples, NoiseKey key);

/// N times term i: for i uniform in 0 ... N - 1 an unbiased estimate of L - prior_kl, nats, [N].
Tensor variational_losses(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                          std::span<const int> indices, const Tensor& samples, NoiseKey key,
                          const VariationalOptions& options);

/// L of each sample [N] in nats, all terms, one draw of noise for each; key.step + i is the step of
/// term i's noise. Divide by (elements * ln 2) for bits per dimension.
Tensor variational_bound(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                         const Tensor& samples, NoiseKey key, const VariationalOptions& options);

/// mean (noise - z)^2 + N / 1000 times term i in bits per dimension, through which no gradient
/// reaches the predicted noise (Nichol and Dhariwal 2021, eq. 16 with lambda = 0.001). [N].
Tensor hybrid_losses(const NetworkFn& network, const DiffusionChain& chain, const Tensor& x0,
                     std::span<const int> indices, const Tensor& samples, NoiseKey key, int bits);

/// The first half of the last axis: the predicted noise of a network with learned variances.
Tensor predicted_noise(const Tensor& output);

}  // namespace ito::sde
