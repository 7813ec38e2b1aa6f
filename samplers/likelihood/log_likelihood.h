// Exact log-likelihood by the probability-flow ODE (Song et al. 2021, section 4.3 and appendix
// D.2).
#pragma once

#include <functional>
#include <vector>

#include "samplers/ode/probability_flow.h"

namespace ito::samplers {

/// How the divergence of the drift is computed. Hutchinson: v' J v with E[v v'] = I, unbiased along
/// the path, one vector-Jacobian product for each probe v, which stays the same for the whole path.
/// Exact: the trace of J, one product for each dimension.
enum class Divergence : uint8_t { rademacher, gaussian, exact };

struct LikelihoodOptions {
  OdeOptions solver;
  double eps = 1e-5;  ///< time of the data
  Divergence divergence = Divergence::rademacher;
  int probes = 1;  ///< Hutchinson: products averaged over so many v
  uint64_t seed = 0;
  std::vector<Tensor> recorded = {};  ///< probes to use instead of drawn ones, like x
};

struct Likelihood {
  std::vector<double> logp;          ///< log p_0(x) in nats, one per image: prior + change
  std::vector<double> prior;         ///< log p_T(z)
  std::vector<double> change;        ///< integral of the divergence from eps to T
  Tensor latent;                     ///< z = x(T), like x
  std::vector<double> times;         ///< accepted times, see OdeResult
  std::vector<int64_t> evaluations;  ///< of the network, see OdeResult
};

/// log p_0 of images x [N, ...] in the SDE's data range:
///   dx/dt = f x - g^2 s / 2,  dl/dt = div of that,  log p_0(x) = log p_T(x(T)) + l(T).
/// Image and l are one state of the solver, in x's dtype; l counts as one more element of the
/// error. One forward pass of the network and one vector-Jacobian product per probe and evaluation.
/// `samples` are the global indices that pick the probes. Throws as integrate does.
Likelihood log_likelihood(const sde::ScoreFn& score, const sde::Sde& sde, const Tensor& x,
                          const std::vector<int64_t>& samples, const LikelihoodOptions& options);

/// Data that was an integer in [0, 2^bits) and became low + (high - low) (k + u) / 2^bits with u
/// uniform in [0, 1).
struct Quantization {
  int bits = 8;
  double low = 0, high = 1;  ///< range of the data: [0, 1], or [-1, 1] where it is centred
};
/// -log2 p per dimension of the discrete data: -logp / (d ln 2) + bits - log2(high - low). The last
/// terms are the volume of a cell; by Jensen's inequality the result bounds the discrete code
/// length from above.
double bits_per_dim(double logp, int64_t dimension, const Quantization& data);
/// What bits_per_dim adds: 8 for bytes in [0, 1], 7 for bytes in [-1, 1].
double bits_per_dim_offset(const Quantization& data);

/// Mean and standard error of the mean over all values.
struct Summary {
  double mean = 0, standard_error = 0;
};
Summary summarize(const std::vector<double>& values);

}  // namespace ito::samplers
